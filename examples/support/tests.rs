//! Text from outside is shown on one line, without control of the terminal.

use super::escape;

#[test]
fn control_characters_are_shown_as_escapes() {
    for (text, shown) in [
        ("\x1b[2J\x1b]0;title\x07", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
        ("\u{9b}31m", r"\u{9b}31m"),
        ("overwritten\rnew", r"overwritten\rnew"),
        ("a\u{8}\u{7f}\0", r"a\u{8}\u{7f}\u{0}"),
        ("a\tb", r"a\tb"),
    ] {
        assert_eq!(escape(text), shown);
    }
}

#[test]
fn line_breaks_of_any_kind_are_shown_as_escapes() {
    for (text, shown) in [
        ("one\ntwo", r"one\ntwo"),
        ("one\r\ntwo", r"one\r\ntwo"),
        ("\u{b}\u{c}\u{85}", r"\u{b}\u{c}\u{85}"),
        ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
    ] {
        assert_eq!(escape(text), shown);
    }
}

#[test]
fn text_direction_controls_are_shown_as_escapes() {
    let controls = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
    for c in controls {
        assert_eq!(escape(c), format!("\\u{{{:x}}}", u32::from(c)));
    }
}

#[test]
fn text_in_any_script_is_shown_as_it_is() {
    for text in [
        "£12, señor",
        "שלום",
        "你好",
        "👩\u{200d}🍳",
        r"C:\new",
        "\"quoted\"",
    ] {
        assert_eq!(escape(text), text);
    }
}

#[test]
fn ctrl_c_shuts_the_client_down_and_no_other() {
    let (client, emulator) = super::client(super::Emulator::builder()).unwrap_or_else(|_| panic!());
    let other = super::second_client(emulator.as_ref()).unwrap_or_else(|_| panic!());
    let stop = super::INTERRUPT.lock().unwrap().stop.take();
    stop.expect("what Ctrl-C does")();
    assert!(client.is_shut_down());
    assert!(!other.is_shut_down());
}
