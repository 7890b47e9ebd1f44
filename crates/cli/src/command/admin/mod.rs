//! Verbs of a host's deployments, spelled as `ostree admin` spells them. One file a verb.

pub(crate) mod boot_complete;
pub(crate) mod cleanup;
pub(crate) mod config_diff;
pub(crate) mod current_dir;
pub(crate) mod deploy;
pub(crate) mod finalize_staged;
pub(crate) mod grub2_generate;
pub(crate) mod init_fs;
pub(crate) mod kargs_edit_in_place;
pub(crate) mod lock_finalization;
pub(crate) mod pin;
pub(crate) mod post_copy;
pub(crate) mod selinux_ensure_labeled;
pub(crate) mod set_default;
pub(crate) mod set_kargs;
pub(crate) mod set_origin;
pub(crate) mod state_overlay;
pub(crate) mod stateroot_init;
pub(crate) mod status;
pub(crate) mod switch;
pub(crate) mod system;
pub(crate) mod undeploy;
pub(crate) mod unlock;
pub(crate) mod upgrade;

use crate::grammar::{Group, Node, Section, verb};

/// `admin` and its verbs.
pub(crate) static ADMIN: Group = Group {
    name: "admin",
    about: "Manage this host's deployments",
    operands: "--print-current-dir|COMMAND",
    sections: &[
        Section {
            heading: "Deployments",
            nodes: &[
                verb::<status::Status>(),
                verb::<deploy::Deploy>(),
                verb::<upgrade::Upgrade>(),
                verb::<switch::Switch>(),
                verb::<undeploy::Undeploy>(),
                verb::<set_default::SetDefault>(),
                verb::<pin::Pin>(),
                verb::<set_origin::SetOrigin>(),
                verb::<config_diff::ConfigDiff>(),
                verb::<unlock::Unlock>(),
                verb::<state_overlay::StateOverlay>(),
                verb::<lock_finalization::LockFinalization>(),
                verb::<finalize_staged::FinalizeStaged>(),
                verb::<boot_complete::BootComplete>(),
                verb::<cleanup::Cleanup>(),
                Node::Group(&KARGS),
            ],
        },
        Section {
            heading: "New systems",
            nodes: &[
                verb::<init_fs::InitFs>(),
                verb::<stateroot_init::StaterootInit>(),
                verb::<post_copy::PostCopy>(),
                Node::Group(&INSTUTIL),
            ],
        },
    ],
    without_verb: Some(current_dir::print),
};

static KARGS: Group = Group {
    name: "kargs",
    about: "Change kernel arguments",
    operands: "COMMAND",
    sections: &[Section {
        heading: "Kernel arguments",
        nodes: &[verb::<kargs_edit_in_place::EditInPlace>()],
    }],
    without_verb: None,
};

static INSTUTIL: Group = Group {
    name: "instutil",
    about: "Commands for installers",
    operands: "COMMAND",
    sections: &[Section {
        heading: "Installers",
        nodes: &[
            verb::<set_kargs::SetKargs>(),
            verb::<selinux_ensure_labeled::SelinuxEnsureLabeled>(),
            verb::<grub2_generate::Grub2Generate>(),
        ],
    }],
    without_verb: None,
};
