//! `usroverlay`: a writable layer over `/usr`.

use ostler_deploy::unlock::Layer;

use crate::command::admin::unlock;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `usroverlay`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct UsrOverlay {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for UsrOverlay {
    const NAME: &'static str = "usroverlay";
    const ABOUT: &'static str = "Make /usr writable until the next boot";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "usroverlay",
        says: "try something in /usr; a reboot forgets it",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        unlock::run(context, &self.sysroot, Layer::Development)
    }
}
