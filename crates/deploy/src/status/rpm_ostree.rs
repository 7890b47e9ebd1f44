//! A deployment with the keys of `rpm-ostree status --json`: all that it has on a host without layered packages, and those that the origin says.

use ostler_format::origin::{OriginError, Source};
use ostler_format::{Annotate, CommitId, KeyFile, Metadata, Origin, Value};
use ostler_store::sign::openpgp::{Validity, Verdict};
use serde_json::{Map, Value as Json, json};

use crate::base::is_layered;
use crate::signatures;
use crate::sysroot::Sysroot;

use super::{DeploymentStatus, insert_some};

/// Lists of a layered commit: the key of the JSON and that of the commit's metadata.
const LAYERED_LISTS: [(&str, &str); 4] = [
    ("packages", "rpmostree.packages"),
    ("modules", "rpmostree.modules"),
    ("base-removals", "rpmostree.removed-base-packages"),
    (
        "base-local-replacements",
        "rpmostree.replaced-base-packages",
    ),
];

/// Lists of the origin: the key of the JSON, group and key of the origin, and whether a checksum and a colon stand before each name.
const REQUESTED_LISTS: [(&str, &str, &str, bool); 8] = [
    ("requested-packages", "packages", "requested", false),
    (
        "requested-local-packages",
        "packages",
        "requested-local",
        true,
    ),
    (
        "requested-local-fileoverride-packages",
        "packages",
        "requested-local-fileoverride",
        true,
    ),
    ("requested-modules", "modules", "install", false),
    ("requested-modules-enabled", "modules", "enable", false),
    ("requested-base-removals", "overrides", "remove", false),
    (
        "requested-base-local-replacements",
        "overrides",
        "replace-local",
        true,
    ),
    (
        "requested-base-remote-replacements",
        "overrides",
        "replace",
        false,
    ),
];

/// Returns the object of a deployment, with the keys that only this program has: `pending`, `rollback`, `etc-merge`.
pub(super) fn deployment(sysroot: &Sysroot, status: &DeploymentStatus) -> Json {
    let deployment = &status.deployment;
    let id = &deployment.id;
    let mut keys = json!({
        "id": format!("{}-{}", id.stateroot, id.name()),
        "osname": id.stateroot.as_str(),
        "checksum": id.commit.to_string(),
        "serial": id.serial,
        "booted": deployment.booted,
        "staged": deployment.staged.is_some(),
        "pinned": deployment.is_pinned(),
        "unlocked": deployment.unlocked.as_str(),
        "finalization-locked": deployment.staged.is_some_and(|staged| staged.locked),
        "rollback": status.rollback,
        "pending": status.pending,
    });
    insert_some(
        &mut keys,
        "origin",
        status.origin.as_deref().map(Json::from),
    );
    let none = Origin::default();
    let origin = deployment.origin.as_ref().unwrap_or(&none);
    if let Ok(Some(Source::ContainerImage(image))) = origin.source() {
        insert_some(&mut keys, "container-image-reference", Some(image.into()));
    }
    // What the origin says was looked at when it was read; a list of another type counts as none.
    requests(&mut keys, origin.key_file());
    initramfs(&mut keys, origin);
    if let Ok((Some(url), description)) = origin.custom() {
        let custom = json!([url, description.unwrap_or_default()]);
        insert_some(&mut keys, "custom-origin", Some(custom));
    }
    commits(sysroot, &mut keys, id.commit);
    let signed = keys["base-checksum"]
        .as_str()
        .and_then(|id| id.parse().ok());
    trust(sysroot, &mut keys, signed.unwrap_or(id.commit), origin);
    let merge = status.merge.as_ref();
    let merge = merge.and_then(|merge| serde_json::to_value(merge).ok());
    insert_some(&mut keys, "etc-merge", merge);
    keys
}

fn requests(keys: &mut Json, origin: &KeyFile) {
    for (name, group, key, has_checksum) in REQUESTED_LISTS {
        let list = origin.string_list(group, key).ok().flatten();
        let items = list.unwrap_or_default().into_iter().map(|item| {
            match item.split_once(':').filter(|_| has_checksum) {
                Some((_, package)) => package.to_owned(),
                None => item,
            }
        });
        let items: Vec<Json> = items.map(Json::from).collect();
        insert_some(keys, name, Some(items.into()));
    }
}

fn initramfs(keys: &mut Json, origin: &Origin) {
    let file = origin.key_file();
    let regenerate = file.boolean("rpmostree", "regenerate-initramfs");
    let regenerate = regenerate.ok().flatten().unwrap_or(false);
    insert_some(keys, "regenerate-initramfs", Some(regenerate.into()));
    let arguments = file.string_list("rpmostree", "initramfs-args");
    let etc = origin.initramfs_etc().map(Some);
    for (name, list) in [
        ("initramfs-args", arguments.map_err(OriginError::from)),
        ("initramfs-etc", etc),
    ] {
        let list = list.ok().flatten().filter(|list| !list.is_empty());
        insert_some(keys, name, list.map(Json::from));
    }
    let wraps = file.boolean("rpmostree", "ex-cliwrap").ok().flatten();
    insert_some(
        keys,
        "cliwrap",
        wraps.filter(|wraps| *wraps).map(Json::from),
    );
}

/// What the commit says, and the one below it that came from the remote if packages are layered.
fn commits(sysroot: &Sysroot, keys: &mut Json, id: CommitId) {
    let lists = |metadata: Option<&Metadata>| {
        LAYERED_LISTS.map(|(name, key)| {
            let found = metadata.and_then(|metadata| metadata.get(key));
            (name, found.map_or_else(|| json!([]), value_json))
        })
    };
    let commit = sysroot.repo().read_commit(id).ok();
    let layered = commit.as_ref().filter(|commit| is_layered(commit));
    for (name, list) in lists(layered.map(|commit| &commit.metadata)) {
        insert_some(keys, name, Some(list));
    }
    insert_some(keys, "base-remote-replacements", Some(json!({})));
    let Some(commit) = &commit else { return };
    let text = |key: &str| commit.metadata.get_str(key).map(Json::from);
    insert_some(keys, "timestamp", Some(commit.timestamp.into()));
    insert_some(keys, "version", text("version"));
    insert_some(keys, "endoflife", text("ostree.endoflife"));
    let Some(base) = commit.parent.filter(|_| layered.is_some()) else {
        let metadata = metadata_json(&commit.metadata);
        insert_some(keys, "base-commit-meta", Some(metadata));
        return;
    };
    insert_some(
        keys,
        "layered-commit-meta",
        Some(metadata_json(&commit.metadata)),
    );
    insert_some(keys, "base-checksum", Some(base.to_string().into()));
    if let Ok(base) = sysroot.repo().read_commit(base) {
        insert_some(keys, "base-timestamp", Some(base.timestamp.into()));
        insert_some(
            keys,
            "base-commit-meta",
            Some(metadata_json(&base.metadata)),
        );
    }
}

/// Whether the remote asks for OpenPGP signatures, and those of the commit; or why that cannot be told.
fn trust(sysroot: &Sysroot, keys: &mut Json, commit: CommitId, origin: &Origin) {
    match signatures::judge(sysroot, commit, origin) {
        Ok(None) => insert_some(keys, "gpg-enabled", Some(false.into())),
        Ok(Some(verdicts)) => {
            insert_some(keys, "gpg-enabled", Some(true.into()));
            let list: Vec<Json> = verdicts.iter().map(signature).collect();
            if !list.is_empty() {
                insert_some(keys, "signatures", Some(list.into()));
            }
        }
        Err(error) => {
            insert_some(keys, "gpg-enabled", Some(false.into()));
            insert_some(keys, "remote-error", Some(error.to_string().into()));
        }
    }
}

/// A signature in the order in which libostree names its attributes; times are in seconds, 0 for never.
fn signature(verdict: &Verdict) -> Json {
    let is = |validity: &Validity| verdict.validity == *validity;
    json!([
        verdict.is_good(),
        is(&Validity::SignatureExpired),
        is(&Validity::KeyExpired),
        is(&Validity::KeyRevoked),
        is(&Validity::MissingKey),
        verdict.fingerprint,
        verdict.made,
        verdict.expires.unwrap_or(0),
        verdict.algorithm,
        verdict.hash,
        verdict.user_name,
        verdict.user_email,
        verdict.primary_fingerprint,
        verdict.key_expires.unwrap_or(0),
        verdict.primary_expires.unwrap_or(0),
    ])
}

fn metadata_json(metadata: &Metadata) -> Json {
    Json::Object(
        metadata
            .iter()
            .map(|(key, value)| (key.to_owned(), value_json(value)))
            .collect(),
    )
}

/// Values as JSON: bytes and strange types as their text form, dictionaries with text keys as objects.
fn value_json(value: &Value) -> Json {
    let value = value.unboxed();
    match value {
        Value::Bool(found) => (*found).into(),
        Value::Str(found) => found.as_str().into(),
        Value::Byte(found) => (*found).into(),
        Value::Array(_, items) => match items
            .iter()
            .map(text_entry)
            .collect::<Option<Map<String, Json>>>()
        {
            Some(object) if !object.is_empty() => Json::Object(object),
            _ => items.iter().map(value_json).collect::<Vec<_>>().into(),
        },
        Value::Tuple(items) => items.iter().map(value_json).collect::<Vec<_>>().into(),
        Value::Int16(found) => (*found).into(),
        Value::Uint16(found) => (*found).into(),
        Value::Int32(found) => (*found).into(),
        Value::Uint32(found) => (*found).into(),
        Value::Int64(found) => (*found).into(),
        Value::Uint64(found) => (*found).into(),
        Value::Double(found) => (*found).into(),
        other => other.print(Annotate::Nothing).into(),
    }
}

fn text_entry(item: &Value) -> Option<(String, Json)> {
    let (key, value) = item.as_entry()?;
    Some((key.as_str()?.to_owned(), value_json(value)))
}
