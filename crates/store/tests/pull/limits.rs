//! Limits from configuration: the rate of a download.

use std::time::{Duration, Instant};

use ostler_store::{Repo, RepoMode};

use crate::ground::{Client, Published, of_main, scratch};
use crate::server::Server;

/// Adds `line` to a repository's `[core]`.
fn set_core(client: &mut Client, line: &str) {
    let config = client.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replacen("[core]\n", &format!("[core]\n{line}\n"), 1);
    std::fs::write(&config, text).unwrap();
    client.repo = Repo::open(&client.path).unwrap();
}

#[test]
fn the_rate_is_the_options_else_the_remotes_else_the_repositorys() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    // Some 3 MB come: at 1500K in two seconds, at 400K in more than seven.
    let (two, long) = (Some("1500K"), Some("400K"));
    type Row = (
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
        Option<u64>,
        bool,
    );
    let rows: [Row; 6] = [
        ("core", two, None, None, true),
        ("remote", None, two, None, true),
        ("remote before core", Some("0"), two, None, true),
        ("remote without one", long, Some("0"), None, false),
        ("option", None, None, Some(1_500_000), true),
        ("option without one", long, long, Some(0), false),
    ];
    for (what, core, of_remote, option, is_held) in rows {
        let mut client = Client::new(root.path(), what, RepoMode::BareUser);
        if let Some(rate) = core {
            set_core(&mut client, &format!("limit-rate={rate}"));
        }
        let url = server.url();
        let mut keys = vec![("url", url.as_str())];
        keys.extend(of_remote.map(|rate| ("limit-rate", rate)));
        client.configure_origin(&keys);
        let mut options = of_main();
        options.network.limit_rate = option;
        let started = Instant::now();
        let report = client.pull(&options).unwrap();
        let took = started.elapsed();
        client.assert_whole(published.commit);
        let bytes = report.network.unwrap().bytes as f64;
        let least = Duration::from_secs_f64(bytes / (1500.0 * 1024.0) * 0.85);
        match is_held {
            true => assert!(took >= least, "{what}: {took:?}, at least {least:?}"),
            // Held to 400K it would have taken this.
            false => assert!(took < least * 3, "{what}: {took:?}"),
        }
    }
}
