"""What the benchmark works on: the two programs, the repositories that both read, the servers."""

import hashlib
import os
import stat
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMESTAMP = "2024-01-01T00:00:00Z"
TRIVIAL_HTTPD = "/usr/libexec/libostree/ostree-trivial-httpd"
MIB = 1024 * 1024


class Failed(Exception):
    """A program ended with an error."""


class Tool:
    """One of the two programs."""

    def __init__(self, name, path):
        self.name, self.path = name, path

    def run(self, *arguments):
        """Runs the program; returns (stdout, wall seconds, peak resident bytes)."""
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/root"), "LC_ALL": "C.UTF-8"}
        command = [self.path, *map(str, arguments)]
        with open(Bench.work / "stdout", "w+b") as out, open(Bench.work / "stderr", "w+b") as err:
            started = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            if process.returncode != 0:
                message = err.read().decode(errors="replace").strip().splitlines()[-3:]
                raise Failed(f"{' '.join(command)}: exit status {process.returncode}: {' / '.join(message)}")
            return out.read(), seconds, usage.ru_maxrss * 1024


class Bench:
    """Where everything is: trees, scratch folder, fixtures that both programs read."""

    work = tree_1 = tree_2 = None
    ostree = ostler = None
    self_check = False
    notes = {}
    _fixtures = {}

    @classmethod
    def fixture(cls, name, make):
        """Returns the folder `name`, made by `make(folder)` at the first call."""
        if name not in cls._fixtures:
            folder = cls.work / "fixtures" / name
            folder.parent.mkdir(exist_ok=True)
            make(folder)
            cls._fixtures[name] = folder
        return cls._fixtures[name]

    @classmethod
    def repository(cls, mode):
        """A repository made by the real ostree which holds version 1 as the ref `main`."""

        def make(folder):
            init(cls.ostree, folder, mode)
            commit(cls.ostree, folder, cls.tree_1)

        return cls.fixture(f"{mode}-1", make)

    @classmethod
    def published(cls):
        """An archive repository made by the real ostree with both versions, `main` and `next`, with packs of them and a summary."""

        def make(folder):
            init(cls.ostree, folder, "archive")
            commit(cls.ostree, folder, cls.tree_1)
            commit(cls.ostree, folder, cls.tree_2, branch="next")
            cls.ostler.run("pack", "create", f"--repo={folder}", "main", "next")
            cls.ostree.run("summary", f"--repo={folder}", "-u")

        return cls.fixture("published", make)

    @classmethod
    def delta(cls):
        """The folder of a delta from version 1 to 2 by the real ostree, all of it in parts."""

        def make(folder):
            folder.mkdir()
            cls.ostree.run("static-delta", "generate", f"--repo={cls.published()}", "--from=main", "--to=next",
                           "--min-fallback-size=0", f"--filename={folder}/superblock")

        return cls.fixture("delta", make)

    @classmethod
    def published_with_deltas(cls):
        """A copy of the repository of both versions with a delta from 1 to 2 of either program's own encoding."""

        def make(folder):
            subprocess.run(["cp", "-a", str(cls.published()), str(folder)], check=True)
            cls.ostree.run("static-delta", "generate", f"--repo={folder}", "--from=main", "--to=next")
            cls.ostler.run("static-delta", "generate", "--native", f"--repo={folder}", "--from=main", "--to=next")
            cls.ostree.run("summary", f"--repo={folder}", "-u")

        return cls.fixture("published-with-deltas", make)

    @classmethod
    def native_delta(cls):
        """The folder of a native delta from version 1 to 2."""

        def make(folder):
            folder.mkdir()
            cls.ostler.run("static-delta", "generate", "--native", f"--repo={cls.published()}", "--from=main", "--to=next",
                           f"--filename={folder}/delta")

        return cls.fixture("native-delta", make)

    @classmethod
    def repository_of_both(cls):
        """A bare repository made by the real ostree: version 1 is `main`, version 2 is `next`."""

        def make(folder):
            init(cls.ostree, folder, "bare")
            commit(cls.ostree, folder, cls.tree_1)
            commit(cls.ostree, folder, cls.tree_2, branch="next")

        return cls.fixture("bare-both", make)


def init(tool, repo, mode):
    tool.run("init", f"--repo={repo}", f"--mode={mode}")


def commit(tool, repo, tree, *options, branch="main"):
    # Without a parent, the commit of an unchanged tree has the same id again.
    return tool.run("commit", f"--repo={repo}", f"--branch={branch}", f"--tree=dir={tree}", "--subject=bench",
                    f"--timestamp={TIMESTAMP}", "--parent=none", *options)


def digest_of_tree(root):
    """A digest of names, kinds, modes, owners, sizes and link targets below `root`."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files + folders):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
            line = f"{os.path.relpath(path, root)}\0{status.st_mode}\0{status.st_uid}\0{status.st_gid}\0{size}\0{target}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def remove(path):
    if path.is_dir():
        subprocess.run(["rm", "-rf", str(path)], check=True)


class Server:
    """One HTTP server for both clients, far away if `distance` milliseconds lie between."""

    def __init__(self, kind, repository, distance=0, name="server"):
        self.kind, self.repository, self.distance, self.name = kind, repository, distance, name
        self.processes, self.address = [], None

    def url(self):
        if self.address is None:
            repo = self.repository()
            port_file = Bench.work / f"port-of-{self.name}"
            if self.kind == "ostler":
                command = [Bench.ostler.path, "serve", f"--repo={repo}", "--port=0", f"--port-file={port_file}"]
            else:
                command = [TRIVIAL_HTTPD, "-p", str(port_file), str(repo)]
            port = self.start(command, port_file)
            if self.distance:
                port_file = Bench.work / f"port-of-proxy-of-{self.name}"
                port = self.start([str(HERE / "distance"), port, str(self.distance), str(port_file)], port_file)
            self.address = f"http://127.0.0.1:{port}"
        return self.address

    def start(self, command, port_file):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        deadline = time.monotonic() + 10
        while not (port_file.exists() and port_file.read_text().strip()):
            if time.monotonic() > deadline or process.poll() is not None:
                raise Failed(f"{' '.join(command)}: did not write its port")
            time.sleep(0.02)
        return port_file.read_text().strip()

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
