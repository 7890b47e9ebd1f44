//! Packages as files: hundreds of real ones of Debian's, and rpms made of them, told as `dpkg-deb` and `rpm` tell them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::{Program, Scratch};
use serde_json::Value;

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Downloads so many small packages, taken from all of the archive's.
fn real_debs(dir: &Path, count: usize) -> Vec<PathBuf> {
    let dump = output(Command::new("apt-cache").arg("dumpavail"));
    let field = |paragraph: &str, name: &str| {
        let mut lines = paragraph.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let small = |paragraph: &str| {
        let size: u64 = field(paragraph, "Size: ")?.parse().ok()?;
        field(paragraph, "Package: ").filter(|_| size < 60_000)
    };
    let mut names: Vec<String> = dump.split("\n\n").filter_map(small).collect();
    names.sort();
    names.dedup();
    let step = (names.len() / count).max(1);
    let names = names.into_iter().step_by(step).take(count);
    output(
        Command::new("apt-get")
            .args(["-qq", "download"])
            .args(names)
            .current_dir(dir),
    );
    let mut debs: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    debs.sort();
    assert!(debs.len() > count * 9 / 10, "{} of {count}", debs.len());
    debs
}

fn shown(packages: &[PathBuf]) -> Vec<Value> {
    let mut arguments = vec![
        "package".into(),
        "show".into(),
        "--files".into(),
        "--json".into(),
    ];
    arguments.extend(packages.iter().map(|path| path.clone().into_os_string()));
    serde_json::from_str(&Program::ostler().run(arguments)).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

/// A file as `dpkg-deb -c` lists it, without its time.
fn listed_as_by_tar(file: &Value) -> String {
    let mode = file["mode"].as_u64().unwrap();
    let letter = match text(file, "kind") {
        "directory" => 'd',
        "symlink" => 'l',
        "hardlink" => 'h',
        _ => '-',
    };
    let bits: String = (0..9)
        .map(|bit| match mode >> (8 - bit) & 1 {
            0 => '-',
            _ => ['r', 'w', 'x'][bit % 3],
        })
        .collect();
    let path = match (text(file, "path"), letter) {
        ("/", _) => "./".to_owned(),
        (path, 'd') => format!(".{path}/"),
        (path, _) => format!(".{path}"),
    };
    let target = match letter {
        'l' => format!(" -> {}", text(file, "target")),
        'h' => format!(" link to .{}", text(file, "target")),
        _ => String::new(),
    };
    format!("{letter}{bits} {} {path}{target}", file["size"])
}

#[test]
#[ignore = "downloads packages"]
fn hundreds_of_debian_packages_are_told_as_dpkg_tells_them() {
    let scratch = Scratch::new();
    let debs = real_debs(scratch.path(), 300);
    for (deb, found) in debs.iter().zip(shown(&debs)) {
        let fields = ["Package", "Version", "Architecture"];
        let told = output(Command::new("dpkg-deb").arg("-f").arg(deb).args(fields));
        let told: Vec<&str> = told
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(_, value)| value)
            .collect();
        let mut names = vec![
            text(&found, "name"),
            text(&found, "version"),
            text(&found, "architecture"),
        ];
        names.sort_unstable();
        let mut told = told;
        told.sort_unstable();
        assert_eq!(names, told);
        for relations in found["relations"].as_array().unwrap() {
            let kind = text(relations, "kind");
            let told = output(Command::new("dpkg-deb").arg("-f").arg(deb).arg(kind));
            let list: Vec<&str> = relations["list"]
                .as_array()
                .unwrap()
                .iter()
                .map(|relation| relation.as_str().unwrap())
                .collect();
            assert_eq!(
                list.join(", ").replace(' ', ""),
                told.trim().replace([' ', '\n'], ""),
                "{} {kind}",
                deb.display()
            );
        }
        let told = output(Command::new("dpkg-deb").arg("-c").arg(deb));
        // Special bits are letters there, and the date is in the middle.
        let told = told.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let bits: String = words[0]
                .chars()
                .map(|letter| match letter {
                    's' | 't' => 'x',
                    'S' | 'T' => '-',
                    other => other,
                })
                .collect();
            format!("{bits} {} {}", words[2], words[5..].join(" "))
        });
        let files = found["files"].as_array().unwrap();
        assert_eq!(
            files.iter().map(listed_as_by_tar).collect::<Vec<_>>(),
            told.collect::<Vec<_>>(),
            "{}",
            deb.display()
        );
    }
    let checked = Program::ostler().run(
        ["package".into(), "check".into()]
            .into_iter()
            .chain(debs.iter().map(|deb| deb.clone().into_os_string())),
    );
    assert_eq!(checked.matches(": whole, ").count(), debs.len());
    assert_imported(&scratch, &debs);
}

/// Each package becomes a commit that the real `ostree` finds whole, and the same one the second time.
fn assert_imported(scratch: &Scratch, packages: &[PathBuf]) {
    let repo = Program::ostler().init_quick(&scratch.join("imported"), "bare-user");
    let import = || {
        let mut arguments = vec!["--json".into()];
        arguments.extend(packages.iter().map(|path| path.clone().into_os_string()));
        repo.run("package import", arguments)
    };
    let first = import();
    assert_eq!(import(), first);
    let first: Vec<Value> = serde_json::from_str(&first).unwrap();
    assert_eq!(first.len(), packages.len());
    let real = repo.with(&Program::ostree());
    real.fsck();
    for found in first {
        assert_eq!(real.rev_parse(text(&found, "ref")), text(&found, "commit"));
    }
}

/// Makes an rpm with the files of a Debian package, compressed in one of the ways.
fn converted(deb: &Path, top: &Path, number: usize) -> PathBuf {
    const PAYLOADS: [&str; 5] = ["w6.gzdio", "w2.xzdio", "w3.zstdio", "w6.bzdio", "w.ufdio"];
    let tree = top.join("tree");
    output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(&tree));
    let list = output(Command::new("find").arg(&tree).args([
        "-mindepth",
        "1",
        "-type",
        "d",
        "-printf",
        "%%dir \"/%P\"\\n",
        "-o",
        "-printf",
        "\"/%P\"\\n",
    ]));
    let spec = format!(
        "Name: made-{number}\nVersion: {number}\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\nAutoReqProv: no\n%description\nx\n\
         %install\ncp -a {}/. %{{buildroot}}/\n%files\n%defattr(-,root,root)\n{list}",
        tree.display()
    );
    fs::write(top.join("made.spec"), spec).unwrap();
    let mut command = Command::new("rpmbuild");
    command.args([
        "-bb",
        "--quiet",
        "--define",
        &format!("_topdir {}", top.display()),
    ]);
    for macros in [
        &format!("_binary_payload {}", PAYLOADS[number % PAYLOADS.len()]),
        "__os_install_post %{nil}",
        "_build_id_links none",
        "_binaries_in_noarch_packages_terminate_build 0",
    ] {
        command.args(["--define", macros]);
    }
    output(command.arg(top.join("made.spec")));
    top.join(format!("RPMS/noarch/made-{number}-{number}-1.noarch.rpm"))
}

#[test]
#[ignore = "downloads packages and makes rpms of them"]
fn a_hundred_rpms_are_told_as_rpm_tells_them_and_are_whole() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("debs")).unwrap();
    let debs = real_debs(&scratch.join("debs"), 100);
    let rpms: Vec<PathBuf> = debs
        .iter()
        .enumerate()
        .map(|(number, deb)| {
            let top = scratch.join(format!("rpm-{number}"));
            fs::create_dir(&top).unwrap();
            converted(deb, &top, number)
        })
        .collect();
    for (rpm, found) in rpms.iter().zip(shown(&rpms)) {
        let format = "[%{FILENAMES} %{FILESIZES} %{FILEUSERNAME} %{FILELINKTOS}\n]";
        let told = output(
            Command::new("rpm")
                .args(["-qp", "--nosignature", "--qf", format])
                .arg(rpm),
        );
        let files = found["files"].as_array().unwrap().iter().map(|file| {
            format!(
                "{} {} {} {}",
                text(file, "path"),
                file["size"],
                text(file, "user"),
                text(file, "target")
            )
        });
        assert_eq!(
            files.collect::<Vec<_>>(),
            told.lines().collect::<Vec<_>>(),
            "{}",
            rpm.display()
        );
    }
    let checked = Program::ostler().run(
        ["package".into(), "check".into()]
            .into_iter()
            .chain(rpms.iter().map(|rpm| rpm.clone().into_os_string())),
    );
    assert_eq!(checked.matches(": whole, ").count(), rpms.len());
    assert_imported(&scratch, &rpms);
}

#[test]
fn what_is_no_package_and_an_rpm_without_a_signature_that_is_asked_for_are_refused() {
    let scratch = Scratch::new();
    let program = Program::ostler();
    let path = scratch.join("nonsense");
    fs::write(&path, "nonsense").unwrap();
    for verb in ["show", "check"] {
        let told = program.fail(["package", verb, path.to_str().unwrap()]);
        assert!(
            told.contains("nonsense`: it is neither a Debian package nor an rpm"),
            "{told}"
        );
    }
    let spec = "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%files\n";
    fs::write(scratch.join("x.spec"), spec).unwrap();
    let top = format!("_topdir {}", scratch.path().display());
    output(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--define", &top])
            .arg(scratch.join("x.spec")),
    );
    let rpm = scratch.join("RPMS/noarch/x-1-1.noarch.rpm");
    let rpm = rpm.to_str().unwrap();
    let told = program.run(["package", "check", rpm]);
    assert_eq!(told.trim(), "x-1-1.noarch: whole, 0 files, not signed");
    let keyring = "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg";
    let told = program.fail(["package", "check", keyring, rpm]);
    assert!(told.contains("x-1-1.noarch.rpm`: not signed"), "{told}");
}
