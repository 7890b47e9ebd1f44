//! System roots with boot entries, links, origins and folders that are not what they should be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ostler_tests::Program;
use ostler_tests::tree::os::{self, Os};

use crate::ground::Ground;

/// A sysroot in which one version is deployed.
struct Host {
    ground: Ground,
    commit: String,
}

impl Host {
    fn new() -> Self {
        let ground = Ground::new();
        let sysroot = ground.join("sysroot");
        let option = format!("--sysroot={}", sysroot.display());
        let ostree = Program::ostree();
        fs::create_dir_all(sysroot.join("boot/loader.0")).unwrap();
        symlink("loader.0", sysroot.join("boot/loader")).unwrap();
        ostree.run(["admin", "init-fs", sysroot.to_str().unwrap()]);
        ostree.run(["admin", "os-init", "testos", &option]);
        let tree = ground.join("tree");
        os::write(
            &tree,
            Os {
                version: "1",
                kernel: "1",
            },
        );
        let commit = ostree
            .repo(&sysroot.join("ostree/repo"))
            .commit("main", &tree, &[]);
        ostree.run(["admin", "deploy", "--os=testos", "main", &option]);
        fs::remove_dir_all(tree).unwrap();
        Self { ground, commit }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.ground.join("sysroot").join(below)
    }

    fn deployment(&self) -> PathBuf {
        self.path(&format!("ostree/deploy/testos/deploy/{}.0", self.commit))
    }

    fn entry(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.path("boot/loader/entries")).unwrap();
        entries.next().unwrap().unwrap().path()
    }

    /// Runs all that reads or cleans; what is outside stays. Whether they succeed is up to them.
    fn withstands(&self, claim: &str) {
        println!("{claim}");
        let sysroot = format!("--sysroot={}", self.path("").display());
        for verb in [
            &["admin", "status"][..],
            &["status"],
            &["admin", "cleanup"],
            &["admin", "deploy", "--os=testos", "main"],
            &["admin", "undeploy", "0"],
            &["admin", "cleanup"],
        ] {
            let mut arguments = verb.to_vec();
            arguments.push(&sysroot);
            let ending = self.ground.attempt(&arguments);
            assert!(
                matches!(ending.code, Some(0 | 1)),
                "{claim}: {verb:?}: {ending:?}"
            );
            assert!(
                ending.code == Some(0) || ending.stderr.contains("error: "),
                "{claim}: {verb:?}: {ending:?}"
            );
        }
        // What the deployment is made of is still in the repository, or was removed by a verb that should.
        Program::ostree().repo(&self.path("ostree/repo")).fsck();
    }
}

fn redirect(path: &Path, target: &Path) {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).ok();
    }
    symlink(target, path).unwrap();
}

#[test]
fn folders_of_a_system_root_that_lead_elsewhere_are_not_emptied() {
    let other = "1".repeat(64);
    let stray = [
        format!("ostree/deploy/testos/deploy/{other}.0"),
        format!("ostree/deploy/testos/deploy/{other}.0.origin"),
        format!("ostree/deploy/testos/backing/{other}.0"),
        "ostree/deploy/evil".to_owned(),
        "ostree/boot.0.0".to_owned(),
        "ostree/boot.1.0".to_owned(),
        "ostree/boot.1.1".to_owned(),
        "ostree/boot.1".to_owned(),
        format!("boot/ostree/testos-{other}"),
        "boot/ostree/initramfs-overlays".to_owned(),
        "boot/loader.1".to_owned(),
        "boot/loader.tmp".to_owned(),
        ".ostler-tmp-1".to_owned(),
    ];
    for path in stray {
        let host = Host::new();
        let place = host.path(&path);
        if place.exists() && !place.is_symlink() && path.starts_with("ostree/boot.") {
            // In use.
            continue;
        }
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        redirect(&place, &host.ground.canary());
        host.withstands(&path);
    }
    for path in [
        "boot/ostree",
        "ostree/deploy/testos/deploy",
        "ostree/deploy/testos/var",
        "ostree/deploy/testos",
        "ostree/deploy",
        "boot/loader.0",
        "boot/loader",
    ] {
        let host = Host::new();
        redirect(&host.path(path), &host.ground.canary().join("dir"));
        host.withstands(path);
    }
    let host = Host::new();
    redirect(&host.deployment(), &host.ground.canary());
    host.withstands("a deployment");
    let host = Host::new();
    redirect(&host.deployment().join("etc"), &host.ground.canary());
    host.withstands("a deployment's etc");
}

#[test]
fn boot_entries_that_lie_are_told_and_lead_nowhere() {
    let long = "x".repeat(3 << 20);
    let with_options = |options: &str| {
        format!(
            "title T\nversion 1\noptions {options}\nlinux /ostree/x/vmlinuz\ninitrd /ostree/x/initrd\n"
        )
    };
    let texts = [
        ("nothing", String::new()),
        ("no options", "title T\nversion 1\nlinux /x\n".to_owned()),
        (
            "a large version",
            "title T\nversion 99999999999999999999999\noptions ostree=/ostree/boot.0/a/b/0\n"
                .to_owned(),
        ),
        (
            "a negative version",
            "title T\nversion -1\noptions ostree=/ostree/boot.0/a/b/0\n".to_owned(),
        ),
        (
            "a link out",
            with_options("ostree=/ostree/boot.0/../../../canary/dir"),
        ),
        ("a link that is relative", with_options("ostree=../canary")),
        (
            "a link of another shape",
            with_options("ostree=/ostree/boot.7/testos/zz/0"),
        ),
        (
            "a serial that is large",
            with_options("ostree=/ostree/boot.0/testos/zz/99999999999999999999"),
        ),
        ("3 MiB", with_options(&long)),
        ("zeros", "\0".repeat(1000)),
    ];
    for (claim, text) in texts {
        let host = Host::new();
        fs::write(host.entry(), text).unwrap();
        host.withstands(claim);
    }
}

#[test]
fn bootlinks_and_origins_that_lie_are_told_and_lead_nowhere() {
    for target in [
        "/",
        "../../../../../../canary",
        "../../../deploy/testos/deploy/x.0",
        "../../../deploy/../../../canary/dir",
        "",
    ] {
        let host = Host::new();
        let text = fs::read_to_string(host.entry()).unwrap();
        let link = text
            .split("ostree=/")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap();
        let link = host.path(link);
        fs::remove_file(&link).unwrap();
        if target.is_empty() {
            fs::create_dir(&link).unwrap();
        } else {
            symlink(target, &link).unwrap();
        }
        host.withstands(&format!("a bootlink to `{target}`"));
    }
    let origin_of = |host: &Host| host.deployment().with_extension("0.origin");
    for text in [
        "",
        "[origin]\n",
        "[origin]\nrefspec=../../../x\n",
        "[origin]\nrefspec=evil:../x\n",
        "\u{0}",
        "[origin\n",
    ] {
        let host = Host::new();
        fs::write(origin_of(&host), text).unwrap();
        host.withstands(&format!("an origin of {text:?}"));
    }
    let host = Host::new();
    redirect(&origin_of(&host), &host.ground.canary().join("secret"));
    host.withstands("an origin elsewhere");
    let host = Host::new();
    fs::remove_file(origin_of(&host)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        origin_of(&host),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    host.withstands("an origin that is a pipe");
}
