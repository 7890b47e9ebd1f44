//! All verbs, and which name of the program has which.

mod admin;
mod db;
mod etc;
mod health;
mod host;
mod install;
mod package;
mod program;
mod signing;
mod store;
mod values;

use crate::grammar::{Group, Node, Section, verb};
use crate::personality::Personality;

/// Returns the tree of verbs that `personality` has.
pub(crate) fn root(personality: Personality) -> &'static Group {
    match personality {
        Personality::Ostler => &OSTLER,
        Personality::Ostree => &OSTREE,
        Personality::RpmOstree => &RPM_OSTREE,
    }
}

static OSTLER: Group = Group {
    name: "ostler",
    about: "Keep operating system trees like git keeps sources, and boot them",
    operands: "VERB",
    sections: &[
        Section {
            heading: "Repositories",
            nodes: store::VERBS,
        },
        Section {
            heading: "Publishing",
            nodes: &[
                Node::Group(&store::pack::GROUP),
                Node::Group(&package::GROUP),
                verb::<store::serve::Serve>(),
            ],
        },
        Section {
            heading: "This host",
            nodes: host::VERBS,
        },
        Section {
            heading: "Its deployments",
            nodes: &[
                Node::Group(&admin::ADMIN),
                Node::Group(&db::GROUP),
                Node::Group(&etc::GROUP),
                Node::Group(&health::GROUP),
                verb::<host::factory_reset::FactoryReset>(),
                verb::<host::reset::ResetLayers>(),
                verb::<host::apply::Apply>(),
            ],
        },
        Section {
            heading: "New systems",
            nodes: &[Node::Group(&install::GROUP)],
        },
        Section {
            heading: "This program",
            nodes: &[
                verb::<program::Complete>(),
                verb::<program::Completions>(),
                verb::<program::InstallFiles>(),
                verb::<program::Man>(),
            ],
        },
    ],
    without_verb: None,
};

static OSTREE: Group = Group {
    name: "ostree",
    about: "Keep operating system trees like git keeps sources, and boot them",
    operands: "COMMAND",
    sections: &[
        Section {
            heading: "Builtin Commands",
            nodes: store::VERBS,
        },
        Section {
            heading: "Host Commands",
            nodes: &[Node::Group(&admin::ADMIN)],
        },
    ],
    without_verb: None,
};

static RPM_OSTREE: Group = Group {
    name: "rpm-ostree",
    about: "Upgrade, roll back and inspect this host's deployments",
    operands: "COMMAND",
    sections: &[
        Section {
            heading: "Builtin Commands",
            nodes: host::VERBS,
        },
        Section {
            heading: "Packages",
            nodes: &[Node::Group(&db::GROUP)],
        },
        Section {
            heading: "Layers",
            nodes: &[verb::<host::reset::Reset>()],
        },
        Section {
            heading: "As Older Scripts Call Them",
            nodes: &[verb::<host::reload::Reload>(), Node::Group(&EXPERIMENTAL)],
        },
    ],
    without_verb: None,
};

/// Verbs that were experiments in rpm-ostree once.
static EXPERIMENTAL: Group = Group {
    name: "ex",
    about: "Verbs that are also there without `ex`",
    operands: "COMMAND",
    sections: &[Section {
        heading: "Commands",
        nodes: &[
            verb::<host::history::History>(),
            verb::<host::initramfs_etc::InitramfsEtc>(),
        ],
    }],
    without_verb: None,
};
