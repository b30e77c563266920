//! What keeps a run from going on in a file: whatever is not as it was.

use phalanx_results::RunHeader;
use serde_json::Value;

/// Differences that are named; the rest are counted.
const SHOWN_MAX: usize = 4;
/// The longest account of a value, in characters.
const VALUE_CHARACTERS_MAX: usize = 80;

/// What differs between the run in the file and this one, in words. `element` tells what one of this run's elements is.
pub(crate) fn differences(
    stored: &RunHeader,
    now: &RunHeader,
    any_program: bool,
    element: impl Fn(usize) -> String,
) -> Vec<String> {
    let mut found = Vec::new();
    if stored.label != now.label {
        found.push(format!("the function was `{}` and is now `{}`", stored.label, now.label));
    } else if stored.program == now.program && stored.entry != now.entry {
        // Closures of one function have one name.
        let name = &now.label;
        found.push(format!(
            "the function was another one of the same name, `{name}`, in another place of the program"
        ));
    } else if stored.program != now.program && !any_program {
        let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
        let (was, is) = (short(&stored.program), short(&now.program));
        found.push(format!(
            "the program's code has changed (it was {was}… and is now {is}…); where that does not matter, go on with `any_program()`"
        ));
    }
    if stored.shared != now.shared {
        found.extend(in_parameters(&stored.parameters, &now.parameters));
    }
    if stored.elements.len() != now.elements.len() {
        found.push(format!(
            "there were {} elements and are now {}",
            stored.elements.len(),
            now.elements.len()
        ));
    }
    let pairs = stored.elements.iter().zip(&now.elements).enumerate();
    let others: Vec<usize> = pairs.filter(|(_, (was, is))| was != is).map(|(i, _)| i).collect();
    found.extend(
        others
            .iter()
            .take(SHOWN_MAX)
            .map(|&i| format!("element {i} is another one: now it is {}", shortened(&element(i)))),
    );
    if others.len() > SHOWN_MAX {
        found.push(format!("{} more elements are other ones", others.len() - SHOWN_MAX));
    }
    found
}

/// What differs in the parameters that all elements share.
fn in_parameters(was: &str, is: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let (Ok(was), Ok(is)) = (serde_json::from_str(was), serde_json::from_str(is)) {
        compare("", &was, &is, &mut found);
    }
    let more = found.len().saturating_sub(SHOWN_MAX);
    found.truncate(SHOWN_MAX);
    match (found.is_empty(), more) {
        (true, _) => vec!["the parameters that all elements share are others".to_owned()],
        (false, 0) => found,
        (false, more) => [found, vec![format!("{more} more parameters differ")]].concat(),
    }
}

fn compare(path: &str, was: &Value, is: &Value, found: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            for (key, was) in was {
                match is.get(key) {
                    Some(is) => compare(&below(key), was, is, found),
                    None => found.push(format!("parameter `{}` is no longer there", below(key))),
                }
            }
            let new = is.keys().filter(|key| !was.contains_key(*key));
            found.extend(new.map(|key| format!("parameter `{}` is new", below(key))));
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (i, (was, is)) in was.iter().zip(is).enumerate() {
                compare(&format!("{path}[{i}]"), was, is, found);
            }
        }
        _ if was == is => {}
        _ => {
            let (was, is) = (shortened(&was.to_string()), shortened(&is.to_string()));
            let name =
                if path.is_empty() { "the shared value".to_owned() } else { format!("parameter `{path}`") };
            found.push(format!("{name} was {was} and is now {is}"));
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> RunHeader {
        RunHeader {
            label: "sweep::simulate".into(),
            program: "0123456789abcdef".into(),
            entry: 64,
            shared: "a".into(),
            parameters: r#"{"steps":100,"lattice":{"side":8,"beta":[0.1,0.2]}}"#.into(),
            elements: vec![1, 2, 3, 4, 5, 6, 7],
        }
    }

    fn found(now: &RunHeader) -> Vec<String> {
        differences(&header(), now, false, |i| format!("{i}.5"))
    }

    #[test]
    fn functions_of_one_name_are_told_apart_by_their_place() {
        let other = RunHeader { entry: 65, ..header() };
        assert!(
            found(&other)[0].contains("another one of the same name, `sweep::simulate`"),
            "{:?}",
            found(&other)
        );
        // In another program everything has another place.
        let other = RunHeader { program: "f".into(), ..other };
        assert!(differences(&header(), &other, true, |i| i.to_string()).is_empty());
    }

    #[test]
    fn the_same_run_goes_on() {
        assert!(found(&header()).is_empty());
    }

    #[test]
    fn what_changed_is_named() {
        let parameters = r#"{"steps":100,"lattice":{"side":16,"beta":[0.1,0.3]},"seed":1}"#.into();
        let now = RunHeader { shared: "b".into(), parameters, ..header() };
        let expected = [
            "parameter `lattice.side` was 8 and is now 16",
            "parameter `lattice.beta[1]` was 0.2 and is now 0.3",
            "parameter `seed` is new",
        ];
        assert_eq!(found(&now), expected);
        let unreadable = RunHeader { shared: "b".into(), parameters: String::new(), ..header() };
        assert_eq!(found(&unreadable), ["the parameters that all elements share are others"]);
        let other = RunHeader { label: "sweep::other".into(), program: "f".into(), ..header() };
        assert_eq!(found(&other), ["the function was `sweep::simulate` and is now `sweep::other`"]);
    }

    #[test]
    fn another_program_is_refused_unless_that_is_wanted() {
        let now = RunHeader { program: "fedcba9876543210".into(), ..header() };
        let text = "the program's code has changed (it was 0123456789ab… and is now fedcba987654…); ";
        assert!(found(&now).len() == 1 && found(&now)[0].starts_with(text), "{:?}", found(&now));
        assert!(differences(&header(), &now, true, |_| String::new()).is_empty());
    }

    #[test]
    fn elements_that_differ_are_named_and_counted() {
        let now = RunHeader { elements: vec![1, 0, 3], ..header() };
        let expected = ["there were 7 elements and are now 3", "element 1 is another one: now it is 1.5"];
        assert_eq!(found(&now), expected);
        let now = RunHeader { elements: vec![0; 7], ..header() };
        assert_eq!(found(&now).len(), 5);
        assert_eq!(found(&now)[4], "3 more elements are other ones");
    }
}
