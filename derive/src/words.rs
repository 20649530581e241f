//! The words of `#[nam(..)]`, and the nearest one to a word that is none.
//!
//! Invariant: what a place accepts is listed here; what it does is said at [`Tracked`](crate::derive_tracked). Source: own
//! reasoning; the distance is that of Damerau and Levenshtein.

/// Words of a struct or enum.
pub(crate) const CONTAINER: &[&str] = &["name", "reserved", "bound", "crate", "transparent", "key"];
/// Words of a field.
pub(crate) const FIELD: &[&str] =
    &["id", "leaf", "add", "max", "min", "union", "append", "lww", "index", "redact", "default", "alias", "skip"];
/// Words of a variant.
pub(crate) const VARIANT: &[&str] = &["id", "alias"];

/// Says that `word` is not known at a place of the kind `place`, and what was probably meant.
pub(crate) fn unknown(word: &str, place: &str, known: &[&str]) -> String {
    if let Some(near) = nearest(word, known) {
        return format!("`{word}` is no attribute of {place}; did you mean `{near}`?");
    }
    let elsewhere = [("a struct or enum", CONTAINER), ("a field", FIELD), ("a variant", VARIANT)]
        .into_iter()
        .find(|(other, words)| *other != place && words.contains(&word));
    if let Some((other, _)) = elsewhere {
        return format!("`{word}` belongs on {other}, not on {place}");
    }
    if word == "rename" {
        return "`rename` is not needed: rename the field and add `#[nam(alias = \"its old name\")]`".to_owned();
    }
    format!("`{word}` is no attribute of {place}; known are {}", known.join(", "))
}

/// The known word that differs from `word` in at most a third of its letters.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (word.len() / 3).max(1);
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove, replace or swap with their neighbour to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        assert_eq!(nearest("indx", FIELD), Some("index"));
        assert_eq!(nearest("defualt", FIELD), Some("default"));
        assert_eq!(nearest("reserve", CONTAINER), Some("reserved"));
        assert_eq!(nearest("flatten", FIELD), None);
    }

    #[test]
    fn a_word_of_another_place_is_sent_there() {
        assert_eq!(unknown("leaf", "a variant", VARIANT), "`leaf` belongs on a field, not on a variant");
    }
}
