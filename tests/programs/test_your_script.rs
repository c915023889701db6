//! `test_your_script`. Its tests, and those of the module that the examples share, run here too.

use bimpeai::emulator::Emulator;

use super::child::{Talk, client, example_with_key, run};

#[allow(dead_code)] // `main` is for the program.
#[path = "../../examples/test_your_script.rs"]
mod script;

#[test]
fn the_script_reports_how_many_agents_it_changed() {
    let emulator = Emulator::start().unwrap();
    let talk = Talk::new(&emulator);
    for changed in [1, 0] {
        let ended = run(example_with_key("test_your_script", &emulator).arg("12 to 22"));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{ended:?}"
        );
        assert_eq!(ended.stdout, format!("{changed} agents changed\n"));
    }
    let agents = client(&emulator).agents();
    let known = agents.knowledge_bases().list(&talk.agent).send().unwrap();
    let hours = known.iter().find(|it| it.name == "Opening hours").unwrap();
    assert_eq!(hours.content.as_deref(), Some("12 to 22"));
}
