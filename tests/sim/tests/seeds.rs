//! A thousand seeds hold what is promised; a broken server is found out.

use longhouse_sim::{Counts, Variant, run};

/// On two threads, because that is what the smallest machine has.
#[test]
fn a_thousand_seeds_hold_what_is_promised() {
    let halves = std::thread::scope(|scope| {
        [1..=500, 501..=1_000].map(|seeds| scope.spawn(|| hold(seeds))).map(|half| half.join().unwrap())
    });
    let mut counts = Counts::default();
    halves.iter().for_each(|half| counts.add(half));
    println!("{counts}");
    assert_eq!(counts.missing(), Vec::<String>::new(), "never happened");
}

fn hold(seeds: std::ops::RangeInclusive<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        if let Err(error) = run(seed, Variant::Sound, &mut counts) {
            panic!("{error:?}\nagain: cargo run -p longhouse-sim -- --seed {seed} --count 1\n{counts}");
        }
    }
    counts
}

#[test]
fn a_seed_does_again_what_it_did() {
    for seed in 1..=10 {
        let trace = || run(seed, Variant::Sound, &mut Counts::default()).unwrap();
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}

fn is_found_out(variant: Variant) {
    let found = (1..=50).find_map(|seed| run(seed, variant, &mut Counts::default()).err());
    println!(
        "{variant:?}: {:?}",
        found.unwrap_or_else(|| panic!("{variant:?} was not found out by 50 seeds"))
    );
}

#[test]
fn a_server_that_checks_no_fences_is_found_out() {
    is_found_out(Variant::NoFenceCheck);
}

#[test]
fn a_server_that_replies_before_it_commits_is_found_out() {
    is_found_out(Variant::ReplyBeforeCommit);
}

#[test]
fn a_server_that_extends_ended_leases_is_found_out() {
    is_found_out(Variant::ExtendAfterExpiry);
}
