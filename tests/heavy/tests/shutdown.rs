//! `Client::shutdown` ends a thread in any state, and leaves no thread and no socket.

#[path = "../../support/states.rs"]
mod states;

use std::time::Duration;

#[test]
fn threads_in_every_state_are_cancelled_together() {
    let mut slowest = Duration::ZERO;
    for ended in states::shut_down() {
        assert!(ended.was_cancelled, "{}", ended.state);
        slowest = slowest.max(ended.after);
    }
    println!("the last of 64 threads ended after {slowest:?}");
    // Far more than it takes, and far less than the waits that are cut short.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}
