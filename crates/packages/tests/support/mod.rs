//! Packages that `dpkg-deb` and `rpmbuild` make.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "support of tests, of which each file uses a part"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ostler-packages-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The tree that all packages here bring.
pub fn write_tree(root: &Path) {
    for (path, content) in [
        ("usr/bin/tool", "#!/bin/sh\n"),
        ("usr/share/doc/tool/empty", ""),
        ("etc/tool.conf", "a = 1\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    // More than a buffer of any compression.
    let large: Vec<u8> = (0..400_000_u32)
        .flat_map(|number| (number / 7).to_le_bytes())
        .collect();
    fs::write(root.join("usr/bin/large"), large).unwrap();
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/tool-again")).unwrap();
    symlink("tool", root.join("usr/bin/alias")).unwrap();
    fs::set_permissions(
        root.join("usr/bin/tool"),
        fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
}

pub const CONTROL: &str = "Package: tool\nVersion: 1:2.0~rc1-3\nArchitecture: all\nMaintainer: A <a@b>\nInstalled-Size: 7\n\
    Depends: libc6 (>= 2.3), a | b:any (<< 2),\n c\nBreaks: old (<= 1)\nDescription: does a thing\n In words.\n .\n And more.\n";

pub fn build_deb(dir: &Path, compression: &str, uniform: bool) -> PathBuf {
    let root = dir.join(format!("deb-{compression}-{uniform}"));
    write_tree(&root);
    fs::create_dir(root.join("DEBIAN")).unwrap();
    fs::write(root.join("DEBIAN/control"), CONTROL).unwrap();
    fs::write(root.join("DEBIAN/conffiles"), "/etc/tool.conf\n").unwrap();
    fs::write(
        root.join("DEBIAN/triggers"),
        "# none\ninterest-noawait /usr/share/x\nactivate-noawait ldconfig\n",
    )
    .unwrap();
    let script = root.join("DEBIAN/postinst");
    fs::write(&script, "#!/bin/sh\nset -e\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let target = dir.join(format!("{compression}-{uniform}.deb"));
    let uniform = if uniform {
        "--uniform-compression"
    } else {
        "--no-uniform-compression"
    };
    output(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", uniform, "-Z", compression, "-b"])
            .arg(&root)
            .arg(&target),
    );
    target
}

pub const SPEC: &str = r#"
Name: tool
Version: 2.0~rc1
Release: 3
Epoch: 1
Summary: does a thing
License: MIT
BuildArch: noarch
AutoReqProv: no
Requires: libc6 >= 2.3, /bin/sh
Requires: (a if (b or c >= 2) else d)
Requires(post): e
Provides: tool-api = 7
Conflicts: old < 1
Obsoletes: older <= 1
Recommends: nice
Supplements: (x and y)
%description
In words.

And more.
%pre
echo pre
%post -p /sbin/ldconfig
%postun -p <lua>
print("gone")
%triggerin -- other, another >= 2
echo other
%filetriggerin -- /usr/lib/x
echo files
%files
/usr/bin/tool
/usr/bin/tool-again
/usr/bin/alias
%attr(0750, daemon, adm) %caps(cap_net_raw=ep) /usr/bin/large
%config(noreplace) /etc/tool.conf
%doc /usr/share/doc/tool/empty
%ghost /usr/share/doc/tool/ghost
%dir /usr/share/doc/tool
%changelog
* Mon Jan 01 2024 Somebody <a@b> - 2.0-1
- changed
"#;

pub fn build_rpm(dir: &Path, payload: &str) -> PathBuf {
    let top = dir.join(format!("rpm-{payload}"));
    let tree = top.join("tree");
    write_tree(&tree);
    fs::write(tree.join("usr/share/doc/tool/ghost"), "x").unwrap();
    let install = format!(
        "%install\ncp -a {}/. %{{buildroot}}/\n%files",
        tree.display()
    );
    fs::write(top.join("tool.spec"), SPEC.replace("%files", &install)).unwrap();
    let mut command = Command::new("rpmbuild");
    command.args([
        "-bb",
        "--quiet",
        "--define",
        &format!("_topdir {}", top.display()),
    ]);
    command.args([
        "--define",
        &format!("_binary_payload {payload}"),
        "--define",
        "__os_install_post %{nil}",
    ]);
    output(command.arg(top.join("tool.spec")));
    top.join("RPMS/noarch/tool-2.0~rc1-3.noarch.rpm")
}
