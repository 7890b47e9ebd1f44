//! Environments of boot loaders, beside the programs that everybody else changes them with.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::fs;
use std::path::Path;
use std::process::Command;

use ostler_format::{GrubEnv, UbootEnv};
use proptest::prelude::*;

/// Runs a program, if it is installed.
fn run(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let mut command = Command::new(program);
    for argument in arguments {
        match *argument {
            "FILE" => command.arg(file),
            other => command.arg(other),
        };
    }
    match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => {
            let output = output.unwrap();
            assert!(output.status.success(), "{program}: {output:?}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
    }
}

#[test]
fn a_block_of_grub_is_what_grub_editenv_makes_of_the_same_changes() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("grubenv");
    let grub = |arguments: &[&str]| run("grub-editenv", arguments, &file);
    if grub(&["FILE", "create"]).is_none() {
        return;
    }
    let mut env = GrubEnv::parse(&fs::read(&file).unwrap()).unwrap();
    for (name, value) in [
        ("saved_entry", "ostree-0"),
        ("odd", "a\\b c#d=e"),
        ("boot_counter", "3"),
        ("saved_entry", "longer than it was before"),
        ("empty", ""),
    ] {
        env.set(name, value).unwrap();
        grub(&["FILE", "set", &format!("{name}={value}")]);
        let theirs = fs::read(&file).unwrap();
        assert_eq!(env.to_bytes().unwrap(), theirs, "{name}");
        assert_eq!(GrubEnv::parse(&theirs), Ok(env.clone()));
    }
    env.unset("boot_counter");
    grub(&["FILE", "unset", "boot_counter"]);
    let theirs = fs::read(&file).unwrap();
    assert_eq!(env.to_bytes().unwrap(), theirs);
    fs::write(&file, env.to_bytes().unwrap()).unwrap();
    assert_eq!(grub(&["FILE", "list"]), Some(env.to_string()));
}

#[test]
fn an_environment_of_uboot_is_what_mkenvimage_makes() {
    let temp = tempfile::tempdir().unwrap();
    let (text, file) = (temp.path().join("text"), temp.path().join("env"));
    fs::write(
        &text,
        "altbootcmd=run boot2; reset\nbootcount=0\nbootlimit=3\n",
    )
    .unwrap();
    let text = text.to_str().unwrap();
    let made = run(
        "mkenvimage",
        &["-s", "4096", "-p", "0x00", "-o", "FILE", text],
        &file,
    );
    if made.is_none() {
        return;
    }
    let theirs = fs::read(&file).unwrap();
    let mut env = UbootEnv::new(4096);
    env.set("bootlimit", "3").unwrap();
    env.set("altbootcmd", "run boot2; reset").unwrap();
    env.set("bootcount", "0").unwrap();
    assert_eq!(env.to_bytes().unwrap(), theirs);
    assert_eq!(UbootEnv::parse(&theirs), Ok(env));
}

proptest! {
    #[test]
    fn what_others_wrote_stays_and_no_bytes_do_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        name in "[a-z_]{1,9}",
        value in "[ -~\n]{0,40}",
    ) {
        let block = [b"# GRUB Environment Block\n".as_slice(), &bytes].concat();
        let mut env = GrubEnv::parse(&block).unwrap();
        let _ = UbootEnv::parse(&bytes);
        if env.set(&name, &value).is_ok()
            && let Ok(written) = env.to_bytes()
        {
            prop_assert_eq!(written.len(), block.len());
            let read = GrubEnv::parse(&written).unwrap();
            prop_assert_eq!(read.get(&name), Some(value));
        }
    }
}
