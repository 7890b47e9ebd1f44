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
        fs::write(&unit, text.replace("/usr/bin/ostler", "/bin/true")).unwrap();
        units.push(unit);
    }
    assert_eq!(units.len(), 4);
    let result = Command::new("systemd-analyze")
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
        .filter(|line| line.contains("ostler-"))
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}
