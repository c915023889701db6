//! `call_campaign`: every number is called once, over restarts.

use std::fs;
use std::process::Command;

use bimpeai::emulator::{Emulator, Fault};

use super::child::{Ended, Folder, Running, Talk, example, example_with_key, received, run};

const MAKE: &str = "/agents/*/calls";

struct Campaign {
    emulator: Emulator,
    talk: Talk,
    folder: Folder,
}

impl Campaign {
    fn new(test: &str, numbers: &str) -> Campaign {
        let emulator = Emulator::start().unwrap();
        let folder = Folder::new(test);
        fs::write(folder.file("numbers"), numbers).unwrap();
        Campaign {
            talk: Talk::new(&emulator),
            emulator,
            folder,
        }
    }

    fn command(&self) -> Command {
        let mut command = example_with_key("call_campaign", &self.emulator);
        command.current_dir(&self.folder.0);
        command.args([&self.talk.agent, "numbers", "out", "--test"]);
        command
    }

    #[track_caller]
    fn ends(&self, code: i32) -> Ended {
        let ended = run(&mut self.command());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        ended
    }

    /// Returns a file of the output, or `None` if it does not exist.
    fn out(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.file("out").join(name)).ok()
    }

    fn calls_made(&self) -> usize {
        self.emulator.requests_to("POST", MAKE).len()
    }
}

#[test]
fn every_number_is_called_once_and_has_a_transcript() {
    let numbers = "# customers\n+2348012345678\n\n+2348012345679 # again\n+2348012345678\n";
    let campaign = Campaign::new("campaign-all", numbers);
    let ended = campaign.ends(0);
    assert!(ended.stdout.ends_with("2 numbers, 0 not reached\n"));
    let transcript = campaign.out("+2348012345678.txt").unwrap();
    assert!(transcript.starts_with("ended\nassistant: "), "{transcript}");
    assert_eq!(transcript.lines().count(), 4, "{transcript}");
    assert_eq!(campaign.out("+2348012345678.call"), None);
    let ended = campaign.ends(0);
    assert!(ended.stdout.contains("+2348012345678  done before"));
    assert_eq!(campaign.calls_made(), 2);
}

#[test]
fn numbers_that_are_not_reached_are_reported() {
    // Busy, failed and not answered.
    let campaign = Campaign::new(
        "campaign-none",
        "+2348012340000\n+2348012349999\n+2348012348888\n",
    );
    let ended = campaign.ends(1);
    assert!(ended.stdout.contains("+2348012340000  busy"), "{ended:?}");
    assert!(ended.stdout.ends_with("3 numbers, 3 not reached\n"));
    assert_eq!(campaign.out("+2348012348888.txt").unwrap(), "ended\n");
}

#[test]
fn a_call_in_doubt_is_never_repeated() {
    let campaign = Campaign::new("campaign-doubt", "+2348012345678\n");
    let lost = Fault::close().after_performing().on("POST", MAKE);
    campaign.emulator.fault(lost.times(9));
    campaign.ends(1);
    assert_eq!(campaign.out("+2348012345678.call").unwrap(), "");
    campaign.emulator.clear_faults();
    campaign.emulator.clear_requests();
    let ended = campaign.ends(1);
    assert!(ended.stdout.contains("in doubt: not called again"));
    assert_eq!(campaign.calls_made(), 0);
}

#[test]
fn a_call_that_was_refused_can_be_made_again() {
    let campaign = Campaign::new("campaign-refused", "+2348012345678\n");
    campaign.emulator.fault(Fault::status(400).on("POST", MAKE));
    campaign.ends(1);
    assert_eq!(campaign.out("+2348012345678.call"), None);
    campaign.ends(0);
}

#[test]
fn ctrl_c_leaves_a_campaign_that_the_next_run_continues() {
    let numbers = "+2348012345671\n+2348012345672\n+2348012345673\n+2348012345674\n";
    let campaign = Campaign::new("campaign-ctrl-c", numbers);
    let hang = Fault::stall().on("GET", "/agents/*/calls/*");
    campaign.emulator.fault(hang.times(3));
    let running = Running::start(campaign.command().args(["--at-once", "2"]));
    received(&campaign.emulator, "GET", "");
    while campaign
        .emulator
        .requests_to("GET", "/agents/*/calls/*")
        .len()
        < 2
    {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(campaign.calls_made(), 2, "two calls at once");
    running.signal("-INT");
    let ended = running.end();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(130), ""),
        "{ended:?}"
    );
    assert!(!campaign.out("+2348012345671.call").unwrap().is_empty());
    campaign.emulator.clear_faults();
    campaign.ends(0);
    assert_eq!(campaign.calls_made(), 4, "no number is called twice");
    assert!(campaign.out("+2348012345671.txt").is_some());
}

#[test]
fn ctrl_c_while_a_call_is_placed_leaves_it_in_doubt() {
    let campaign = Campaign::new("campaign-placing", "+2348012345678\n");
    campaign.emulator.fault(Fault::stall().on("POST", MAKE));
    let running = Running::start(&mut campaign.command());
    received(&campaign.emulator, "POST", "/calls");
    running.signal("-INT");
    assert_eq!(running.end().code, Some(130));
    assert_eq!(campaign.out("+2348012345678.call").unwrap(), "");
}

#[test]
fn a_key_that_is_refused_ends_the_campaign() {
    let campaign = Campaign::new("campaign-key", "+2348012345671\n+2348012345672\n");
    let ended = run(campaign.command().env("BIMPEAI_API_KEY", "sk_wrong"));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(campaign.out("+2348012345671.call"), None);
    let ended = run(example("call_campaign").args(["agt_1", "numbers", "out"]));
    assert_eq!(ended.code, Some(4), "{ended:?}");
}

#[test]
fn a_file_or_an_option_that_is_not_valid_is_a_usage_error() {
    for (test, numbers) in [
        ("path", "+234\n../etc\n"),
        ("name", "Ada +234"),
        ("plus", "+"),
    ] {
        let campaign = Campaign::new(&format!("campaign-{test}"), numbers);
        let ended = campaign.ends(2);
        assert!(ended.stderr.contains("expected a number"), "{ended:?}");
        assert_eq!(campaign.calls_made(), 0);
    }
    let campaign = Campaign::new("campaign-usage", "+234\n");
    for wrong in [&["--at-once", "0"][..], &["--at-once"], &["four"]] {
        assert_eq!(
            run(campaign.command().args(wrong)).code,
            Some(2),
            "{wrong:?}"
        );
    }
    fs::remove_file(campaign.folder.file("numbers")).unwrap();
    campaign.ends(1);
}
