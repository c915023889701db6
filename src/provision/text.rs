//! Texts that are longer than a knowledge base may be.

/// The maximum length of a knowledge base, in characters.
const MAX_CHARS: usize = 2_500;

/// Splits a text into parts of up to 2,500 characters.
///
/// Joined, the parts are the text again, except for whitespace that would be a part of its own.
pub(super) fn split(text: &str) -> Vec<&str> {
    split_at_most(text, MAX_CHARS)
}

/// Returns the name of part `index` (from 0) of `count`: `Menu (1/3)`, or `Menu` if it is the only one.
pub(super) fn part_name(name: &str, index: usize, count: usize) -> String {
    match count {
        1 => name.to_owned(),
        _ => format!("{name} ({}/{count})", index + 1),
    }
}

/// Returns the base name, the number and the count of a part: `("Menu", 1, 3)` for `Menu (1/3)`.
pub(super) fn part_of(name: &str) -> Option<(&str, usize, usize)> {
    let (base, rest) = name.trim().strip_suffix(')')?.rsplit_once(" (")?;
    let (number, count) = rest.split_once('/')?;
    let (number, count) = (number.parse().ok()?, count.parse().ok()?);
    (1 <= number && number <= count && count > 1).then_some((base, number, count))
}

fn split_at_most(text: &str, max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(max) {
        let (part, after) = rest.split_at(boundary(&rest[..limit]));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    // The server refuses blank content.
    if parts.len() > 1 {
        parts.retain(|part| !part.trim().is_empty());
    }
    parts
}

/// Returns where a part ends: after a paragraph, else a line, a sentence or a space in its second half.
fn boundary(window: &str) -> usize {
    let half = window.len() / 2;
    for separator in ["\n\n", "\n", ". ", " "] {
        if let Some(at) = window.rfind(separator) {
            let end = at + separator.len();
            if end > half && !window[..end].trim().is_empty() {
                return end;
            }
        }
    }
    window.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_one_part() {
        assert_eq!(split(""), [""]);
        assert_eq!(split("Margherita £12."), ["Margherita £12."]);
        let exact = "é".repeat(MAX_CHARS);
        assert_eq!(split(&exact), [&*exact]);
        assert_eq!(split(&format!("{exact}x")).len(), 2);
    }

    #[test]
    fn the_best_boundary_in_the_second_half_is_used() {
        let split = |text| split_at_most(text, 20);
        assert_eq!(
            split("one two three\n\nfour. five six"),
            ["one two three\n\n", "four. five six"]
        );
        assert_eq!(
            split("one\n\ntwo three\nfour five six"),
            ["one\n\ntwo three\n", "four five six"]
        );
        assert_eq!(
            split("one two three. four five six"),
            ["one two three. ", "four five six"]
        );
        assert_eq!(
            split("one two three four five six"),
            ["one two three four ", "five six"]
        );
        // A boundary in the middle is not in the second half.
        assert_eq!(
            split("123456789 bcdefghijklmnop"),
            ["123456789 bcdefghijk", "lmnop"]
        );
        assert_eq!(
            split("abcdefghijklmnopqrstuvwxyz"),
            ["abcdefghijklmnopqrst", "uvwxyz"]
        );
    }

    #[test]
    fn no_character_is_lost_and_no_part_is_too_long_or_empty() {
        let words = [
            "menu",
            "é",
            "🍕🍕",
            "\n\n",
            "\n",
            ". ",
            " ",
            "            ",
            "longwordlongword",
        ];
        let mut seed = 7_usize;
        for _ in 0..300 {
            let text: String = (0..40)
                .map(|_| {
                    seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
                    words[(seed >> 8) % words.len()]
                })
                .collect();
            let parts = split_at_most(&text, 25);
            assert!(
                parts.iter().all(|part| part.chars().count() <= 25),
                "{parts:?}"
            );
            assert!(
                parts.iter().all(|part| !part.trim().is_empty()),
                "{parts:?}"
            );
            let visible = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(visible(&parts.concat()), visible(&text));
        }
    }

    #[test]
    fn names_of_parts_are_recognized() {
        assert_eq!(part_name("Menu", 0, 1), "Menu");
        assert_eq!(part_name("Menu", 1, 3), "Menu (2/3)");
        assert_eq!(part_of("Menu (2/3)"), Some(("Menu", 2, 3)));
        assert_eq!(part_of("Menu (new) (2/3)"), Some(("Menu (new)", 2, 3)));
        for other in [
            "Menu",
            "Menu (2)",
            "Menu (0/3)",
            "Menu (4/3)",
            "Menu (1/1)",
            "Menu (a/b)",
        ] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }
}
