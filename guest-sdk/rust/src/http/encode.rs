//! Texts on the wire: percent encoding, forms, base64.

/// But for the unreserved characters of RFC 3986, as the host does it.
pub(crate) fn percent(text: &str, into: &mut String) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            push_escaped(byte, into);
        }
    }
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form(text: &str, into: &mut String) {
    for &byte in text.as_bytes() {
        match byte {
            b' ' => into.push('+'),
            b'*' | b'-' | b'.' | b'_' => into.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => into.push(char::from(byte)),
            _ => push_escaped(byte, into),
        }
    }
}

fn push_escaped(byte: u8, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    into.push('%');
    into.push(char::from(DIGITS[usize::from(byte >> 4)]));
    into.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// With padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("user:pass", "dXNlcjpwYXNz"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_form_is_not_a_url() {
        let (mut in_url, mut in_form) = (String::new(), String::new());
        percent("a b/ü~*", &mut in_url);
        form("a b/ü~*", &mut in_form);
        assert_eq!(in_url, "a%20b%2F%C3%BC~%2A");
        assert_eq!(in_form, "a+b%2F%C3%BC%7E*");
    }
}
