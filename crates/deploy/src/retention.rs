//! Which deployments outlive a new one, as a pure function of what a person wants.
//!
//! Whatever the policy, the booted deployment, the one that a new one continues, pinned ones, a staged one and those of other stateroots
//! stay. A policy only holds more; it never drops what must stay.

use std::collections::HashSet;

use serde::Deserialize;

/// A day, in seconds.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What a person wants to stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Retention {
    /// How many deployments of a stateroot stay, a new one among them.
    pub keep: Option<usize>,
    /// Whether the newest deployment of each version stays.
    pub newest_of_each_version: bool,
    /// What the two above hold is let go if its commit is older than this.
    pub max_age_days: Option<u64>,
}

/// Why a policy holds a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is one of the newest.
    Count,
    /// It is the newest of its version.
    Version,
}

/// What a policy looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The stateroot that it belongs to.
    pub stateroot: String,
    /// The version of its commit; `None` if that says none, or is not in the repository.
    pub version: Option<String>,
    /// The commit's time, in seconds since 1970-01-01 UTC; `None` if it is not known.
    pub timestamp: Option<u64>,
}

impl Retention {
    /// Whether it holds anything.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.keep.is_some() || self.newest_of_each_version
    }

    /// Says for each deployment, in boot order, why the policy holds it; `coming` is the version of a new one of `stateroot` in front of them,
    /// which counts as one of those that are kept.
    #[must_use]
    pub fn holds(
        &self,
        deployments: &[Candidate],
        coming: Option<(&str, Option<&str>)>,
        now: u64,
    ) -> Vec<Option<Held>> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        let mut versions: HashSet<(&str, &str)> = HashSet::new();
        if let Some((stateroot, version)) = coming {
            counts.push((stateroot, 1));
            versions.extend(version.map(|version| (stateroot, version)));
        }
        let mut result = Vec::with_capacity(deployments.len());
        for candidate in deployments {
            let stateroot = candidate.stateroot.as_str();
            let place = match counts.iter_mut().find(|(name, _)| *name == stateroot) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    counts.push((stateroot, 1));
                    1
                }
            };
            let version = candidate.version.as_deref();
            let is_newest = version.is_some_and(|version| versions.insert((stateroot, version)));
            let age = candidate.timestamp.map(|then| now.saturating_sub(then));
            let too_old = self
                .max_age_days
                .zip(age)
                .is_some_and(|(days, age)| age > days.saturating_mul(DAY_SECONDS));
            result.push(match () {
                () if too_old => None,
                () if self.keep.is_some_and(|keep| place <= keep) => Some(Held::Count),
                () if self.newest_of_each_version && is_newest => Some(Held::Version),
                () => None,
            });
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{self, Next, Position, Retain, Slot, Wish};
    use proptest::prelude::*;

    fn candidates(text: &str) -> Vec<Candidate> {
        let one = |word: &str| {
            let mut parts = word.split('/');
            Candidate {
                stateroot: parts.next().unwrap().to_owned(),
                version: parts.next().filter(|it| !it.is_empty()).map(str::to_owned),
                timestamp: parts
                    .next()
                    .map(|day| day.parse::<u64>().unwrap() * DAY_SECONDS),
            }
        };
        text.split_whitespace().map(one).collect()
    }

    fn held(policy: Retention, text: &str, coming: Option<(&str, Option<&str>)>) -> String {
        let held = policy.holds(&candidates(text), coming, 100 * DAY_SECONDS);
        let letter = |held: &Option<Held>| match held {
            None => '-',
            Some(Held::Count) => 'c',
            Some(Held::Version) => 'v',
        };
        held.iter().map(letter).collect()
    }

    #[test]
    fn the_newest_are_counted_by_stateroot_and_a_new_one_counts() {
        let keep = |keep| Retention {
            keep: Some(keep),
            ..Retention::default()
        };
        let five = "a/1/99 a/2/98 b/1/97 a/3/96 b/2/95";
        assert_eq!(held(keep(2), five, None), "ccc-c");
        assert_eq!(held(keep(2), five, Some(("a", Some("0")))), "c-c-c");
        assert_eq!(held(Retention::default(), five, None), "-----");
    }

    #[test]
    fn the_newest_of_each_version_is_held_until_it_is_too_old() {
        let policy = Retention {
            newest_of_each_version: true,
            max_age_days: Some(10),
            ..Retention::default()
        };
        assert_eq!(
            held(policy, "a/2/99 a/2/98 a/1/97 a//96 a/0/80", None),
            "v-v--"
        );
        assert_eq!(held(policy, "a/2/99 b/2/98", Some(("a", Some("2")))), "-v");
    }

    fn any_policy() -> impl Strategy<Value = Retention> {
        (
            prop::option::of(1usize..5),
            prop::bool::ANY,
            prop::option::of(0u64..50),
        )
            .prop_map(|(keep, newest_of_each_version, max_age_days)| Retention {
                keep,
                newest_of_each_version,
                max_age_days,
            })
    }

    /// Deployments with what a policy looks at, of which one may run and some are pinned.
    fn any_host() -> impl Strategy<Value = (Vec<Candidate>, Vec<Slot>)> {
        let one = (
            prop::sample::select(vec!["a", "b"]),
            prop::option::of(0u8..3),
            prop::option::of(0u64..100),
            prop::bool::weighted(0.2),
        );
        let all = prop::collection::vec(one, 1..8);
        (all, prop::option::of(0usize..8)).prop_map(|(all, booted)| {
            let candidate =
                |(stateroot, version, day, _): &(&str, Option<u8>, Option<u64>, bool)| Candidate {
                    stateroot: (*stateroot).to_owned(),
                    version: version.map(|version| version.to_string()),
                    timestamp: day.map(|day| day * DAY_SECONDS),
                };
            let slot = |(index, (stateroot, _, _, pinned)): (usize, &(&str, _, _, bool))| Slot {
                stateroot: (*stateroot).to_owned(),
                booted: booted == Some(index),
                pinned: *pinned,
                staged: false,
                held: false,
            };
            let slots = all.iter().enumerate().map(slot).collect();
            (all.iter().map(candidate).collect(), slots)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn under_every_policy_what_runs_what_is_pinned_and_what_boots_stays(
            policy in any_policy(),
            (candidates, mut slots) in any_host(),
            adds in prop::bool::ANY,
        ) {
            let coming = adds.then_some(("a", Some("0")));
            let now = 100 * DAY_SECONDS;
            let held = policy.holds(&candidates, coming, now);
            for ((slot, held), candidate) in slots.iter_mut().zip(&held).zip(&candidates) {
                slot.held = held.is_some() && slot.stateroot == "a";
                let age = candidate.timestamp.map(|then| (now - then) / DAY_SECONDS);
                let expired = policy.max_age_days.zip(age).is_some_and(|(days, age)| age > days);
                prop_assert!(held.is_none() || !expired, "what is too old is held by nothing");
            }
            if let (Some(keep), None) = (policy.keep, policy.max_age_days) {
                let own = slots.iter().zip(&held).filter(|(slot, _)| slot.stateroot == "a");
                let newest = own.take(keep - usize::from(adds)).all(|(_, held)| *held == Some(Held::Count));
                prop_assert!(newest, "as many are held as should be kept");
            }
            let merge = plan::merge_source(&slots, "a");
            let wish = match adds {
                true => Wish::Add {
                    stateroot: "a".to_owned(),
                    merge,
                    retain: Retain::default(),
                    position: Position::Default,
                },
                false => Wish::Expire { stateroot: "a".to_owned() },
            };
            let order = plan::plan(&slots, &wish).expect("nothing is asked to go by its index");
            prop_assert!(!order.is_empty(), "something boots");
            for (index, slot) in slots.iter().enumerate() {
                let stays = slot.booted || slot.pinned || slot.held || slot.stateroot != "a" || (adds && merge == Some(index));
                prop_assert!(!stays || order.contains(&Next::Keep(index)), "{} was dropped", index);
            }
        }
    }
}
