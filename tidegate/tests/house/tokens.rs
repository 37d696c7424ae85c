//! A Rust source as tokens without comments, strings and test code: enough to say which names a file uses.

/// One identifier, number or punctuation character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// Splits a source into tokens. Comments vanish; a text becomes `""`, a character `''`.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        let first = chars[at];
        let text = if first.is_whitespace() {
            at += 1;
            String::new()
        } else if chars[at..].starts_with(&['/', '/']) {
            at = end_of_line(&chars, at);
            String::new()
        } else if chars[at..].starts_with(&['/', '*']) {
            at = end_of_block_comment(&chars, at);
            String::new()
        } else if let Some(end) = end_of_text(&chars, at) {
            at = end;
            "\"\"".to_string()
        } else if first == '\'' {
            let (end, text) = character_or_lifetime(&chars, at);
            at = end;
            text
        } else if first.is_ascii_digit() {
            let tuple_field = found.last().is_some_and(|last: &Token| last.text == ".");
            at = end_of_number(&chars, at, tuple_field);
            chars[start..at].iter().collect()
        } else if is_word(first) {
            at = end_of_word(&chars, at);
            chars[start..at].iter().collect()
        } else {
            at += 1;
            first.to_string()
        };
        if !text.is_empty() {
            found.push(Token { text, line });
        }
        line += chars[start..at].iter().filter(|&&c| c == '\n').count();
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_word(chars: &[char], at: usize) -> usize {
    let len = chars[at..].iter().take_while(|&&c| is_word(c)).count();
    // A raw identifier such as r#type is one word.
    let raw =
        chars[at..].starts_with(&['r', '#']) && chars.get(at + 2).is_some_and(|&c| is_word(c));
    if raw { end_of_word(chars, at + 2) } else { at + len }
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|&&c| c != '\n').count()
}

fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        if chars[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if chars[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(chars.len())
}

/// The end of a text that starts at `at` (`"`, `b"`, `c"`, `r"`, `r#"`, `br#"`), or `None` if none does.
fn end_of_text(chars: &[char], at: usize) -> Option<usize> {
    let mut next = at;
    if chars.get(next).is_some_and(|c| matches!(c, 'b' | 'c')) {
        next += 1;
    }
    let raw = chars.get(next) == Some(&'r');
    if raw {
        next += 1;
    }
    let hashes = if raw { chars[next..].iter().take_while(|&&c| c == '#').count() } else { 0 };
    next += hashes;
    if chars.get(next) != Some(&'"') {
        return None;
    }
    next += 1;
    while next < chars.len() {
        match chars[next] {
            '\\' if !raw => next += 2,
            '"' if chars[next + 1..].iter().take_while(|&&c| c == '#').count() >= hashes => {
                return Some(next + 1 + hashes);
            }
            _ => next += 1,
        }
    }
    Some(chars.len())
}

fn character_or_lifetime(chars: &[char], at: usize) -> (usize, String) {
    let escaped = chars.get(at + 1) == Some(&'\\');
    if escaped {
        let close = chars[at + 3..].iter().position(|&c| c == '\'').unwrap_or(0);
        return (at + 3 + close + 1, "''".to_string());
    }
    if chars.get(at + 2) == Some(&'\'') {
        return (at + 3, "''".to_string());
    }
    let end = end_of_word(chars, at + 1);
    (end, chars[at..end].iter().collect())
}

fn end_of_number(chars: &[char], at: usize, tuple_field: bool) -> usize {
    let mut end = end_of_word(chars, at);
    let point = chars.get(end) == Some(&'.');
    let after = chars.get(end + 1);
    // `1.5` and `1.` are floats; `0..9` is a range, `1.max(2)` a call, and in `pair.0.1` both are fields.
    if point && !tuple_field && !after.is_some_and(|&c| c == '.' || c.is_alphabetic() || c == '_') {
        end = end_of_word(chars, end + 1);
    }
    let exponent = chars[end - 1] == 'e' || chars[end - 1] == 'E';
    let hexadecimal = chars[at..].starts_with(&['0', 'x']);
    if exponent && !hexadecimal && chars.get(end).is_some_and(|&c| c == '-' || c == '+') {
        end = end_of_word(chars, end + 1);
    }
    end
}

/// True for a number with a point, an exponent or the suffix of a float.
pub fn is_float(text: &str) -> bool {
    let number = text.starts_with(|c: char| c.is_ascii_digit());
    let based = ["0x", "0b", "0o"].iter().any(|prefix| text.starts_with(prefix));
    // usize and isize end in e but have it after their s.
    let exponent = text.split(['u', 'i']).next().is_some_and(|digits| digits.contains(['e', 'E']));
    let suffix = text.ends_with("f32") || text.ends_with("f64");
    number && !based && (text.contains('.') || exponent || suffix)
}

/// A source's tokens without `#[cfg(test)]` items, and the names of test modules that lie in files of their own.
pub fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut test_modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = end_of_attribute(tokens, at) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let attribute: Vec<_> = tokens[at..end].iter().map(|token| token.text.as_str()).collect();
        let for_tests = attribute.starts_with(&["#", "[", "cfg", "(", "test", ")"])
            || attribute.starts_with(&["#", "[", "cfg", "(", "all", "(", "test", ","])
            || attribute == ["#", "[", "test", "]"];
        if !for_tests {
            kept.extend_from_slice(&tokens[at..end]);
            at = end;
            continue;
        }
        let mut item = end;
        while let Some(next) = end_of_attribute(tokens, item) {
            item = next;
        }
        at = end_of_item(tokens, item);
        let words: Vec<_> = tokens[item..at].iter().map(|token| token.text.as_str()).collect();
        if let [.., "mod", name, ";"] = words[..] {
            test_modules.push(name.to_string());
        }
    }
    (kept, test_modules)
}

/// The end of the outer attribute `#[...]` that starts at `at`, or `None` if none does.
fn end_of_attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let starts = tokens.get(at)?.text == "#" && tokens.get(at + 1)?.text == "[";
    if !starts {
        return None;
    }
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at + 1) {
        match token.text.as_str() {
            "[" => depth += 1,
            "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(index + 1);
        }
    }
    Some(tokens.len())
}

/// Words that begin an item, which ends with its block or its semicolon; a field or arm ends with a comma.
const ITEM_WORDS: [&str; 13] = [
    "mod",
    "fn",
    "use",
    "const",
    "static",
    "struct",
    "enum",
    "trait",
    "type",
    "impl",
    "unsafe",
    "async",
    "macro_rules",
];

fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut word = start;
    while tokens
        .get(word)
        .is_some_and(|t| ["pub", "(", "crate", "super", ")"].contains(&t.text.as_str()))
    {
        word += 1;
    }
    let is_item = tokens.get(word).is_some_and(|t| ITEM_WORDS.contains(&t.text.as_str()));
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return index,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            "," if depth == 0 && !is_item => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> String {
        tokens(source).iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_texts_vanish() {
        let check = |source: &str, expected: &str| assert_eq!(texts(source), expected, "{source}");
        check("a // f64\nb", "a b");
        check("a /* f64 /* f32 */ f64 */ b", "a b");
        check(r#"a "f64 \" f64" b"#, r#"a "" b"#);
        check(r##"r#"f64 " f64"# b"##, r#""" b"#);
        check(r#"b"f64" c"f64" br"f64""#, r#""" "" """#);
        check(r"'f' '\'' '\u{66}' x", "'' '' '' x");
        check("&'a f64 'static", "& 'a f64 'static");
        check("r#type", "r#type");
        check("\"never closed f64", "\"\"");
    }

    #[test]
    fn lines_are_counted() {
        let found = tokens("a\n/* \n */ b\n\"\n\" c");
        let lines: Vec<_> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
    }

    #[test]
    fn floats_are_told_from_integers() {
        for text in ["1.5", "1.", "1e9", "1e-9", "2f64", "1_000.0", "3_f32"] {
            let found = tokens(text);
            assert!(found.len() == 1 && is_float(&found[0].text), "{text}: {found:?}");
        }
        for text in
            ["1", "1u64", "0x1e9", "0xf32", "1usize", "8isize", "0..9", "1.max(2)", "a.0.1", "0b1"]
        {
            assert!(!tokens(text).iter().any(|token| is_float(&token.text)), "{text}");
        }
    }

    #[test]
    fn test_code_is_left_out_and_nothing_else() {
        let check = |source: &str, expected: &str| {
            let (kept, _) = without_tests(&tokens(source));
            let kept: Vec<_> = kept.iter().map(|token| token.text.as_str()).collect();
            assert_eq!(kept.join(" "), expected, "{source}");
        };
        check("a #[cfg(test)] mod tests { fn f() { x } } b", "a b");
        check("#[cfg(test)] #[allow(x)] use std::f; b", "b");
        check("#[cfg(all(test, y))] pub(crate) fn f<A, B>() { x } b", "b");
        check("#[test] fn f() { x } b", "b");
        check("struct S { #[cfg(test)] x: f64, y: u8 }", "struct S { y : u8 }");
        check("struct S { #[cfg(test)] pub x: f64, y: u8 }", "struct S { y : u8 }");
        check("struct S { y: u8, #[cfg(test)] x: f64 } b", "struct S { y : u8 , } b");
        check("#[cfg(not(test))] fn f() { x }", "# [ cfg ( not ( test ) ) ] fn f ( ) { x }");
        check("#[cfg(any(test, y))] fn f();", "# [ cfg ( any ( test , y ) ) ] fn f ( ) ;");
        let (kept, modules) = without_tests(&tokens("#[cfg(test)] mod table; mod other;"));
        assert_eq!(modules, ["table"]);
        assert_eq!(kept.len(), 3);
    }
}
