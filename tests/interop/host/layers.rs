//! What is put on top of a tree: files of `/etc` in the initramfs, packages that rpm-ostree has layered.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ostler_format::archive::{ArchiveReader, EntryKind};
use ostler_tests::Program;
use ostler_tests::tree::os::{self, Os};

use super::Host;

/// What is in an archive: path, permissions and content.
fn unpacked(path: &PathBuf) -> Vec<(String, u32, String)> {
    let mut reader = ArchiveReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = String::new();
        match &entry.kind {
            EntryKind::Symlink(target) => content = String::from_utf8(target.clone()).unwrap(),
            _ => {
                std::io::Read::read_to_string(&mut reader, &mut content).unwrap();
            }
        }
        found.push((String::from_utf8(entry.path).unwrap(), entry.mode, content));
    }
    found
}

#[test]
fn files_of_etc_go_along_with_the_initramfs_as_they_are_at_each_deployment() {
    let host = Host::new();
    let etc = host.root(0).join("etc");
    fs::create_dir(etc.join("keys")).unwrap();
    fs::write(etc.join("keys/secret"), "one").unwrap();
    fs::set_permissions(etc.join("keys/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(etc.join("crypttab"), "luks\n").unwrap();
    host.host(&[
        "initramfs-etc",
        "--track=/etc/keys",
        "--track=/etc/crypttab",
    ]);
    assert_eq!(host.host(&["initramfs-etc"]), "/etc/crypttab\n/etc/keys\n");
    let [overlay] = &host.overlays()[..] else {
        panic!("one archive");
    };
    let found = unpacked(overlay);
    let entry = |path: &str, mode, content: &str| (path.to_owned(), mode, content.to_owned());
    let expected = [
        entry("etc", 0o755, ""),
        entry("etc/crypttab", 0o644, "luks\n"),
        entry("etc/keys", 0o755, ""),
        entry("etc/keys/secret", 0o600, "one"),
    ];
    assert_eq!(found, expected);
    let mode = fs::metadata(overlay).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "it holds a secret");

    let unchanged = [
        "initramfs-etc",
        "--stateroot=testos",
        "--track=/etc/keys",
        "--unchanged-exit-77",
    ];
    assert_eq!(host.code(&unchanged), Some(77));
    // The default deployment is what a new one continues.
    fs::write(host.root(0).join("etc/keys/secret"), "two").unwrap();
    host.host(&["initramfs-etc", "--force-sync"]);
    assert!(
        unpacked(&host.overlays()[0])
            .iter()
            .any(|(_, _, content)| content == "two")
    );
    fs::write(host.root(0).join("etc/keys/secret"), "three").unwrap();
    host.publish("2", &[]);
    host.host(&["upgrade"]);
    assert!(
        unpacked(&host.overlays()[0])
            .iter()
            .any(|(_, _, content)| content == "three")
    );
    let origin = fs::read_to_string(host.root(0).with_extension("0.origin")).unwrap();
    assert!(
        origin.contains("[rpmostree]\ninitramfs-etc=/etc/crypttab;/etc/keys;"),
        "{origin}"
    );
    assert_eq!(host.status()[0]["initramfs-etc"][1], "/etc/keys");

    let wrong = host.fail(&[
        "initramfs-etc",
        "--stateroot=testos",
        "--untrack=/etc/other",
    ]);
    assert!(wrong.contains("`/etc/other` is not tracked"), "{wrong}");
    let wrong = host.fail(&["initramfs-etc", "--stateroot=testos", "--track=/usr/x"]);
    assert!(wrong.contains("no path below /etc"), "{wrong}");
    let wrong = host.fail(&[
        "initramfs-etc",
        "--stateroot=testos",
        "--track=/etc/nowhere",
    ]);
    assert!(
        wrong.contains("`/etc/nowhere`") && wrong.contains("--untrack"),
        "{wrong}"
    );
    host.host(&["initramfs-etc", "--untrack=/etc/keys"]);
    assert_eq!(host.host(&["initramfs-etc"]), "/etc/crypttab\n");
    host.host(&["initramfs-etc", "--untrack-all"]);
    assert_eq!(host.overlays(), Vec::<PathBuf>::new());
}

#[test]
fn a_reset_goes_back_to_the_tree_below_layered_packages() {
    let host = Host::new();
    let base = host.status()[0]["checksum"].as_str().unwrap().to_owned();
    let repo = Program::ostler().repo(&host.sysroot.join("ostree/repo"));
    // As rpm-ostree leaves it: a commit of its own on the base, and the base kept by a ref.
    let tree = host.scratch.join("layered");
    os::write(
        &tree,
        Os {
            version: "1",
            kernel: "one for all",
        },
    );
    fs::write(tree.join("usr/bin/layered"), "layered").unwrap();
    repo.run("refs", ["--create=rpmostree/base/0", &base]);
    let parent = format!("--parent={base}");
    let options = ["--add-metadata=rpmostree.clientlayer=true", &parent];
    repo.commit("rpmostree/layered", &tree, &options);
    let origin = host.scratch.join("origin");
    fs::write(
        &origin,
        "[origin]\nbaserefspec=o:os/stable\n[packages]\nrequested=fish;vim;\n[rpmostree]\ninitramfs-etc=/etc/edited;\n",
    )
    .unwrap();
    let origin = format!("--origin-file={}", origin.display());
    host.run(&[
        "admin",
        "deploy",
        "--os=testos",
        &origin,
        "rpmostree/layered",
    ]);
    let now = &host.status()[0];
    assert_eq!(
        now["requested-packages"],
        serde_json::json!(["fish", "vim"])
    );
    assert_eq!(now["base-checksum"], base.as_str());
    assert_eq!(host.overlays().len(), 1);
    let text = host.run(&["status"]);
    assert!(text.contains("LayeredPackages: fish vim"), "{text}");

    let refused = host.fail(&["upgrade", "--stateroot=testos"]);
    assert!(
        refused.contains("packages") && refused.contains("reset-layers"),
        "{refused}"
    );
    host.host(&["reset-layers", "--initramfs"]);
    assert_eq!(host.overlays().len(), 0);
    assert_eq!(host.status()[0]["base-checksum"], base.as_str());
    let drop_in = host.scratch.join("rpm-ostree");
    std::os::unix::fs::symlink(Program::ostler().path(), &drop_in).unwrap();
    let arguments = host.arguments(&["reset", "--overlays", "--overrides", "--stateroot=testos"]);
    let output = std::process::Command::new(&drop_in)
        .args(arguments)
        .env("OSTREE_SYSROOT_DEBUG", "mutable-deployments")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let now = &host.status()[0];
    assert_eq!(now["checksum"], base.as_str());
    assert_eq!(now["origin"], "o:os/stable");
    let origin = fs::read_to_string(host.root(0).with_extension("1.origin"))
        .or_else(|_| fs::read_to_string(host.root(0).with_extension("0.origin")))
        .unwrap();
    assert!(
        origin.contains("\nrefspec=o:os/stable") && !origin.contains("fish"),
        "{origin}"
    );
    assert_eq!(host.host(&["reset-layers"]), "No changes.\n");
}
