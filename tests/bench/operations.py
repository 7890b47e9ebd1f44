"""The lines of the benchmark's table."""

import hashlib
import random
import subprocess

from ground import MIB, Bench, commit, digest_of_tree, init, remove


class Operation:
    """One line of the table. `act` is timed; `prepare` makes what it needs and returns the folder that it reads; `result` tells
    what came of it."""

    def __init__(self, name, aim, act, prepare, result=None):
        self.name, self.aim, self.act = name, aim, act
        self.prepare = prepare
        self.result = result or (lambda tool, scratch, stdout: stdout)


def of_commit(mode):
    def prepare(tool, scratch):
        init(tool, scratch, mode)
        return Bench.tree_1

    return Operation(
        f"commit into {mode}", {"archive": 3.5}.get(mode, 3), prepare=prepare,
        act=lambda tool, scratch: commit(tool, scratch, Bench.tree_1))


def of_consume():
    def prepare(tool, scratch):
        scratch.mkdir()
        init(tool, scratch / "repo", "bare")
        subprocess.run(["cp", "-a", str(Bench.tree_1), str(scratch / "tree")], check=True)
        return scratch / "tree"

    return Operation(
        "commit --consume into bare, same file system", 7, prepare=prepare,
        act=lambda tool, scratch: commit(tool, scratch / "repo", scratch / "tree", "--consume"))


def of_recommit(mode):
    def own_repository(tool):
        def make(folder):
            init(tool, folder, mode)
            commit(tool, folder, Bench.tree_1)

        return Bench.fixture(f"recommit-{mode}-{tool.name}", make)

    def prepare(tool, scratch):
        own_repository(tool)
        return Bench.tree_1

    return Operation(
        f"recommit of the unchanged tree into {mode}", 25, prepare=prepare,
        act=lambda tool, scratch: commit(tool, own_repository(tool), Bench.tree_1))


def of_checkout(title, aim, mode, *options):
    return Operation(
        title, aim,
        prepare=lambda tool, scratch: Bench.repository(mode),
        act=lambda tool, scratch: tool.run("checkout", f"--repo={Bench.repository(mode)}", *options, "main", scratch),
        result=lambda tool, scratch, stdout: digest_of_tree(scratch))


def of_fsck(mode, aim):
    return Operation(
        f"fsck of {mode}", aim,
        prepare=lambda tool, scratch: Bench.repository(mode),
        act=lambda tool, scratch: tool.run("fsck", "--quiet", f"--repo={Bench.repository(mode)}"),
        result=lambda tool, scratch, stdout: None)


def of_pull_local(source, destination, aim):
    def prepare(tool, scratch):
        init(tool, scratch, destination)
        return Bench.repository(source)

    return Operation(
        f"pull-local {source} to {destination}", aim, prepare=prepare,
        act=lambda tool, scratch: tool.run("pull-local", f"--repo={scratch}", Bench.repository(source), "main"),
        result=lambda tool, scratch, stdout: tool.run("rev-parse", f"--repo={scratch}", "main")[0])


def of_pull_http(server):
    def prepare(tool, scratch):
        init(tool, scratch, "bare")
        tool.run("remote", f"--repo={scratch}", "add", "--no-gpg-verify", "origin", server.url())
        return Bench.repository("archive")

    return Operation(
        "pull over loopback HTTP, archive to bare", 3, prepare=prepare,
        act=lambda tool, scratch: tool.run("pull", f"--repo={scratch}", "origin", "main"),
        result=lambda tool, scratch, stdout: tool.run("rev-parse", f"--repo={scratch}", "origin:main")[0])


def of_near_pack(near):
    """A pull of `main` from a repository with packs, which ostler finds."""

    def prepare(tool, scratch):
        init(tool, scratch, "bare")
        tool.run("remote", f"--repo={scratch}", "add", "--no-gpg-verify", "origin", near.url())
        return Bench.published()

    return Operation(
        "pull over loopback HTTP by a pack, archive to bare", None, prepare=prepare,
        act=lambda tool, scratch: tool.run("pull", f"--repo={scratch}", "origin", "main"),
        result=lambda tool, scratch, stdout: tool.run("rev-parse", f"--repo={scratch}", "origin:main")[0])


def large_file():
    """A tree of one file of 2 GiB, of which two thirds can be compressed away."""

    def make(folder):
        folder.mkdir()
        size = 3 * MIB if Bench.self_check else 2048 * MIB
        with open(folder / "large", "wb") as file:
            for number in range(size // MIB):
                file.write(random.Random(number).randbytes(MIB // 3) + bytes(MIB - MIB // 3))

    return Bench.fixture("large", make)


def of_large(title, mode, act):
    """One verb on a repository of one large file; the memory is what counts."""

    def published():
        def make(folder):
            init(Bench.ostree, folder, mode)
            commit(Bench.ostree, folder, large_file())

        return Bench.fixture(f"large-{mode}", make)

    def prepare(tool, scratch):
        if title.startswith("checkout"):
            return published()
        init(tool, scratch, "bare")
        return published() if title.startswith("pull") else large_file()

    return Operation(
        title, None, prepare=prepare, act=lambda tool, scratch: act(tool, scratch, published),
        result=lambda tool, scratch, stdout: None)


def of_large_files():
    return [
        of_large("commit of a file of 2 GiB into bare", "archive",
                 lambda tool, scratch, published: commit(tool, scratch, large_file())),
        of_large("pull-local of a file of 2 GiB, archive to bare", "archive",
                 lambda tool, scratch, published: tool.run("pull-local", f"--repo={scratch}", published(), "main")),
        of_large("checkout of a file of 2 GiB from archive", "archive",
                 lambda tool, scratch, published: tool.run("checkout", f"--repo={published()}", "main", scratch)),
    ]


def of_generate(title, aim, native):
    """A delta that brings all objects; by ostler a native one if `native`."""

    def prepare(tool, scratch):
        scratch.mkdir()
        return Bench.published()

    def act(tool, scratch):
        how = "--native" if native and tool is Bench.ostler else "--min-fallback-size=0"
        return tool.run("static-delta", "generate", f"--repo={Bench.published()}", "--from=main", "--to=next",
                        how, f"--filename={scratch}/superblock")

    def result(tool, scratch, stdout):
        size = sum(path.stat().st_size for path in scratch.iterdir())
        kind = "native delta" if native and tool is Bench.ostler else "delta"
        Bench.notes[f"{kind} of {tool.name}"] = f"{size / 1e6:.1f} MB"
        return None

    return Operation(title, aim, act, prepare, result)


def of_apply(title, native):
    def folder(tool):
        return Bench.native_delta() if native and tool is Bench.ostler else Bench.delta()

    def delta(tool):
        return folder(tool) / "delta" if native and tool is Bench.ostler else folder(tool)

    def prepare(tool, scratch):
        init(tool, scratch, "bare")
        tool.run("pull-local", f"--repo={scratch}", Bench.repository("bare"), "main")
        return folder(tool)

    def result(tool, scratch, stdout):
        new = Bench.ostree.run("rev-parse", f"--repo={Bench.published()}", "next")[0].decode().strip()
        return tool.run("ls", f"--repo={scratch}", "-R", "-C", new)[0]

    return Operation(
        title, 2, prepare=prepare, result=result,
        act=lambda tool, scratch: tool.run("static-delta", "apply-offline", f"--repo={scratch}", delta(tool)))


def of_distant_pull(distant, title, *first, deltas=False):
    """A pull of `next` with a round trip of 30 ms; without deltas ostler finds packs, with them each program one of its own encoding."""

    def prepare(tool, scratch):
        init(tool, scratch, "bare")
        tool.run("remote", f"--repo={scratch}", "add", "--no-gpg-verify", "origin", distant.url())
        if first:
            tool.run("pull-local", f"--repo={scratch}", "--remote=origin", Bench.repository("bare"), *first)
        return Bench.published_with_deltas() if deltas else Bench.published()

    how = [] if deltas else ["--disable-static-deltas"]
    return Operation(
        f"{title}, 30 ms round trip", None if deltas else 5, prepare=prepare,
        act=lambda tool, scratch: tool.run("pull", f"--repo={scratch}", *how, "origin", "next"),
        result=lambda tool, scratch, stdout: tool.run("rev-parse", f"--repo={scratch}", "origin:next")[0])


def of_reading(title, aim, *arguments, sort=False):
    def result(tool, scratch, stdout):
        lines = stdout.splitlines()
        return hashlib.sha256(b"\n".join(sorted(lines) if sort else lines)).hexdigest()

    return Operation(
        title, aim,
        prepare=lambda tool, scratch: Bench.repository_of_both(),
        act=lambda tool, scratch: tool.run(arguments[0], f"--repo={Bench.repository_of_both()}", *arguments[1:]),
        result=result)


def many_objects(count):
    """Makes an archive repository of some `count` objects, half of them needed by the older of two commits alone.

    Each file has a content of its own, 500 in a directory, as of a repository with many versions of many packages.
    """

    def make(folder):
        init(Bench.ostler, folder, "archive")
        for half in range(2):
            tree = Bench.work / f"many-{half}"
            for number in range(half * count // 2, (half + 1) * count // 2):
                if number % 500 == 0 or not tree.exists():
                    (tree / f"{number // 500:05}").mkdir(parents=True, exist_ok=True)
                (tree / f"{number // 500:05}" / str(number)).write_bytes(b"%d" % number)
            Bench.ostler.run("commit", f"--repo={folder}", "--branch=main", f"--tree=dir={tree}", f"--timestamp=@{half + 1}",
                             "--owner-uid=0", "--owner-gid=0")
            remove(tree)

    return make


def of_prune(count):
    """Reachability and the sweep; nothing is deleted, so that both find the same repository each time."""
    fixture = f"many-{count}"
    return Operation(
        f"prune of {count:,} objects, half of them unneeded", 1,
        prepare=lambda tool, scratch: Bench.fixture(fixture, many_objects(count)),
        act=lambda tool, scratch: tool.run("prune", f"--repo={Bench.fixture(fixture, None)}", "--refs-only", "--depth=0",
                                           "--no-prune"))


def operations(server, near, distant, with_deltas, objects):
    modes = ["bare", "bare-user", "archive"]
    return [
        *map(of_commit, modes),
        of_consume(),
        *map(of_recommit, modes),
        of_checkout("checkout -H of bare", 2, "bare", "-H"),
        of_checkout("checkout -U -H of bare-user", 2, "bare-user", "-U", "-H"),
        of_checkout("checkout of archive", 3, "archive"),
        of_fsck("bare", 8),
        of_fsck("archive", 6),
        of_pull_local("archive", "bare", 2),
        of_pull_local("bare", "bare", 4),
        of_pull_local("bare", "archive", None),
        of_pull_http(server),
        of_near_pack(near),
        of_distant_pull(distant, "update by packs", "main"),
        of_distant_pull(distant, "first pull by packs"),
        of_distant_pull(with_deltas, "update by a delta, ostler's native", "main", deltas=True),
        of_generate("static-delta generate, version 1 to 2", 4, native=False),
        of_generate("static-delta generate --native by ostler, version 1 to 2", 4, native=True),
        of_apply("static-delta apply-offline into bare", native=False),
        of_apply("static-delta apply-offline into bare, by ostler of a native delta", native=True),
        of_reading("ls -R", 5, "ls", "-R", "main"),
        of_reading("diff of two commits", 5, "diff", "main", "next", sort=True),
        of_reading("prune with nothing to do", 5, "prune", "--refs-only"),
        *of_large_files(),
        *([of_prune(objects)] if objects else []),
    ]
