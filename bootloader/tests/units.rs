//! The units that are installed beside the program.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn systemd_accepts_the_units() {
    let temp = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let mut units = Vec::new();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let unit = temp.path().join(entry.file_name());
        // The program is not installed where tests run.
        let text = text
            .lines()
            .map(|line| match line.split_once("=/usr/") {
                Some((key, _)) if key.starts_with("Exec") => format!("{key}=/bin/true\n"),
                _ => format!("{line}\n"),
            })
            .collect::<String>();
        fs::write(&unit, text).unwrap();
        units.push(unit);
    }
    assert_eq!(units.len(), 9);
    // An initramfs has it, where one of them runs.
    let physical_root = "[Mount]\nWhat=/dev/vda\nWhere=/sysroot\n";
    fs::write(temp.path().join("sysroot.mount"), physical_root).unwrap();
    let result = Command::new("systemd-analyze")
        .env("SYSTEMD_UNIT_PATH", format!("{}:", temp.path().display()))
        .args(["verify", "--man=no"])
        .args(&units)
        .output();
    let output = match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        result => result.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ostler-") || line.contains("ostree-"))
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn a_shell_accepts_the_hooks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("initramfs");
    for (shell, script) in [
        ("sh", "initramfs-tools/hook"),
        ("sh", "initramfs-tools/script"),
        ("bash", "dracut/module-setup.sh"),
        ("bash", "dracut/ostree.conf"),
    ] {
        let output = Command::new(shell)
            .arg("-n")
            .arg(folder.join(script))
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }
}
