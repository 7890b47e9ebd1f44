//! `show`: one object, in words or parts.

use crate::grammar::RepoOption;

/// Options of `show`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the object's variant
    #[arg(long, help_heading = "Form")]
    pub(crate) raw: bool,
    /// Leave integers of variants in the order in which they are stored
    #[arg(short = 'B', long, help_heading = "Form")]
    pub(crate) no_byteswap: bool,
    /// Print byte arrays as hexadecimal digits
    #[arg(long, help_heading = "Form")]
    pub(crate) print_hex: bool,
    /// OBJECT is a file that holds a variant of this type
    #[arg(long, value_name = "TYPE", help_heading = "Form")]
    pub(crate) print_variant_type: Option<String>,

    /// List the keys of the commit's metadata
    #[arg(long, help_heading = "Parts")]
    pub(crate) list_metadata_keys: bool,
    /// Print the value of this key of the metadata
    #[arg(long, value_name = "KEY", help_heading = "Parts")]
    pub(crate) print_metadata_key: Option<String>,
    /// List the keys of the commit's detached metadata
    #[arg(long, help_heading = "Parts")]
    pub(crate) list_detached_metadata_keys: bool,
    /// Print the value of this key of the detached metadata
    #[arg(long, value_name = "KEY", help_heading = "Parts")]
    pub(crate) print_detached_metadata_key: Option<String>,
    /// Print the commits that this one names as related
    #[arg(long, help_heading = "Parts")]
    pub(crate) print_related: bool,
    /// Print the sizes that the commit records
    #[arg(long, help_heading = "Parts")]
    pub(crate) print_sizes: bool,

    /// Ref, commit or checksum of a metadata object
    #[arg(value_name = "OBJECT", required = true)]
    pub(crate) object: String,
}
