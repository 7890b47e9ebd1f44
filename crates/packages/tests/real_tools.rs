//! What the real `dpkg` and `rpm` say of the same versions and databases.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::process::Command;

use ostler_fs::Dir;
use ostler_packages::World;
use ostler_packages::database::installed;
use ostler_packages::tree::Tree;

fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ostler-packages-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn text(&mut self, letters: &[u8], longest: usize) -> String {
        let length = 1 + self.below(longest);
        (0..length)
            .map(|_| char::from(letters[self.below(letters.len())]))
            .collect()
    }
}

/// Versions of packages that exist, and how packagers mark what comes before and after.
fn real_versions() -> Vec<String> {
    let listed = output(Command::new("dpkg-query").args(["-W", "-f", "${Version}\n"]));
    let mut versions: Vec<String> = listed.lines().map(str::to_owned).collect();
    versions.sort();
    versions.dedup();
    let marked = |version: &String| {
        ["~rc1", "+b1", "~bpo12+1", ".1", "-0ubuntu1", "^git1"]
            .map(|mark| format!("{version}{mark}"))
    };
    let more: Vec<String> = versions.iter().step_by(7).flat_map(marked).collect();
    versions.extend(more);
    versions
}

/// Neighbours in a list are more alike than what lies far apart.
fn pairs(dice: &mut Dice, letters: &[u8], random: usize) -> Vec<(String, String)> {
    let real = real_versions();
    let mut pairs = Vec::new();
    for (at, one) in real.iter().enumerate() {
        pairs.push((one.clone(), real[(at + 1) % real.len()].clone()));
        pairs.push((one.clone(), real[dice.below(real.len())].clone()));
    }
    for _ in 0..random {
        let one = format!("1{}", dice.text(letters, 6));
        let mut other = format!("1{}", dice.text(letters, 6));
        if dice.below(2) == 0 {
            other = format!("{one}{}", dice.text(letters, 2));
        }
        pairs.push((one, other));
    }
    pairs
}

#[test]
fn dpkg_orders_versions_as_we_do() {
    let pairs = pairs(&mut Dice(0x2545_f491_4f6c_dd1d), b"0019aZ.+~-", 1000);
    // dpkg has no caret, and refuses an empty revision.
    let is_debian = |version: &String| !version.contains('^') && !version.ends_with('-');
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter(|(one, other)| is_debian(one) && is_debian(other))
        .collect();
    assert!(pairs.len() > 2000, "{}", pairs.len());
    let mut script = String::new();
    for (one, other) in &pairs {
        let relation = match World::Dpkg.compare_versions(one, other) {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        script.push_str(&format!("dpkg --compare-versions '{one}' {relation} '{other}' || echo '{one} is not {relation} {other}'\n"));
    }
    let dir = scratch();
    fs::write(dir.path().join("script"), script).unwrap();
    assert_eq!(
        output(Command::new("sh").arg(dir.path().join("script"))),
        ""
    );
}

#[test]
fn rpm_orders_versions_as_we_do() {
    let dir = scratch();
    let pairs = pairs(&mut Dice(0x9e37_79b9_7f4a_7c15), b"0019aZ._+~^", 4000);
    let lines: Vec<String> = pairs
        .iter()
        .map(|(one, other)| format!("{one} {other}"))
        .collect();
    fs::write(dir.path().join("pairs"), lines.join("\n")).unwrap();
    let script = format!(
        "%{{lua: for line in io.lines('{}/pairs') do local one, other = line:match('(%S+) (%S+)') print(rpm.vercmp(one, other)) print('\\n') end}}",
        dir.path().display()
    );
    let told = output(Command::new("rpm").args(["--eval", &script]));
    let told: Vec<i32> = told
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert_eq!(told.len(), pairs.len());
    for ((one, other), told) in pairs.iter().zip(told) {
        assert_eq!(
            World::Rpm.compare_versions(one, other),
            told.cmp(&0),
            "{one} {other}"
        );
    }
}

fn names(tree: &Path) -> Vec<String> {
    let dir = Dir::open_ambient(tree).unwrap();
    let found = installed(&Tree::Directory(&dir)).unwrap().unwrap();
    let mut names: Vec<String> = found
        .packages
        .iter()
        .map(|package| found.database.full_name(package))
        .collect();
    names.sort();
    names
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn dpkg_lists_the_packages_that_we_list() {
    let told = output(Command::new("dpkg-query").args([
        "-W",
        "-f",
        "${db:Status-Status} ${Package}_${Version}_${Architecture}\n",
    ]));
    let told: String = told
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(told.lines().count() > 100);
    let dir = scratch();
    fs::create_dir_all(dir.path().join("var/lib/dpkg")).unwrap();
    fs::copy(
        "/var/lib/dpkg/status",
        dir.path().join("var/lib/dpkg/status"),
    )
    .unwrap();
    assert_eq!(names(dir.path()), sorted(&told));
}

/// Builds packages without files and returns where they are.
fn build_rpms(dir: &Path, count: usize) -> Vec<std::path::PathBuf> {
    let specs = (0..count).map(|number| {
        let epoch = if number % 3 == 1 { format!("Epoch: {number}\n") } else { String::new() };
        let spec = format!(
            "Name: made-{number}\nVersion: {number}.0~rc1\nRelease: 1\n{epoch}Summary: x\nLicense: MIT\nBuildArch: noarch\n\
             %description\nx\n%files\n%changelog\n* Mon Jan 01 2024 Somebody <a@b> - {number}.0-1\n- changed\n"
        );
        let path = dir.join(format!("made-{number}.spec"));
        fs::write(&path, spec).unwrap();
        path
    });
    let specs: Vec<_> = specs.collect();
    let top = format!("_topdir {}", dir.join("top").display());
    output(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--define", &top])
            .args(specs),
    );
    let built = fs::read_dir(dir.join("top/RPMS/noarch")).unwrap();
    built.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn rpm_lists_the_packages_that_we_list() {
    let dir = scratch();
    let built = build_rpms(dir.path(), 8);
    assert_eq!(built.len(), 8);
    for place in ["usr/share/rpm", "var/lib/rpm"] {
        let tree = dir.path().join(place.replace('/', "-"));
        let dbpath = tree.join(place);
        fs::create_dir_all(&dbpath).unwrap();
        let rpm = || {
            let mut command = Command::new("rpm");
            command
                .arg("--dbpath")
                .arg(&dbpath)
                .args(["--define", "_db_backend sqlite"]);
            command
        };
        output(
            rpm()
                .args(["--justdb", "--nodeps", "--noscripts", "-i"])
                .args(&built),
        );
        let told = output(rpm().args(["-qa", "--qf", "%{name}-%{evr}.%{arch}\\n"]));
        assert_eq!(told.lines().count(), 8);
        assert_eq!(names(&tree), sorted(&told));
    }
}
