//! What a question may weigh, found out before it is looked at any further: fragments that spread fragments twice each double with every
//! line, and the checks that come later walk through all of it.

use crate::error::{ApiError, Code, Result};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use serde_json::json;
use std::collections::HashMap;

/// Bytes of a document at most.
const BYTES_MAX: usize = 8 * 1024;
/// Operations of one.
const OPERATIONS_MAX: usize = 16;
/// Selections of one with every fragment spread.
const SELECTIONS_MAX: u32 = 2_000;

/// Reads a document that is not too heavy; `None` if it cannot be read, which is told where it is executed.
///
/// # Errors
/// [`Code::InvalidField`], with the limit.
pub fn read(query: &str) -> Result<Option<ExecutableDocument>> {
    check("bytes", query.len(), BYTES_MAX)?;
    let Ok(document) = parse_query(query) else { return Ok(None) };
    check("operations", document.operations.iter().count(), OPERATIONS_MAX)?;
    let mut known = HashMap::new();
    let sets = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let all = sets.fold(0, |sum: u32, set| sum.saturating_add(count(set, &document, &mut known)));
    // A fragment that nobody spreads is looked at too.
    let all = document.fragments.values().fold(all, |sum, fragment| {
        sum.saturating_add(count(&fragment.node.selection_set.node, &document, &mut known))
    });
    check("selections", all as usize, SELECTIONS_MAX as usize)?;
    Ok(Some(document))
}

fn check(what: &str, is: usize, max: usize) -> Result<()> {
    if is <= max {
        return Ok(());
    }
    let message = format!("query: more than {max} {what}, fragments spread");
    let details = json!({ "field": "query", "limit": max, "of": what });
    Err(ApiError::new(Code::InvalidField, message).with(details))
}

/// Selections of a set; each fragment is counted once. One that is in itself has no end.
fn count<'a>(
    set: &'a SelectionSet,
    document: &'a ExecutableDocument,
    known: &mut HashMap<&'a str, u32>,
) -> u32 {
    set.items.iter().fold(0, |sum: u32, item| {
        let within = match &item.node {
            Selection::Field(field) => count(&field.node.selection_set.node, document, known),
            Selection::InlineFragment(inline) => {
                count(&inline.node.selection_set.node, document, known)
            }
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.as_str();
                match (known.get(name), document.fragments.get(name)) {
                    (Some(count), _) => *count,
                    (None, None) => 0,
                    (None, Some(fragment)) => {
                        known.insert(name, u32::MAX);
                        let counted = count(&fragment.node.selection_set.node, document, known);
                        known.insert(name, counted);
                        counted
                    }
                }
            }
        };
        sum.saturating_add(within).saturating_add(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn selections(query: &str) -> Option<usize> {
        let refused = read(query).err()?;
        assert_eq!(refused.code, Code::InvalidField, "{query}");
        Some(refused.details["limit"].as_u64().expect("a limit") as usize)
    }

    #[test]
    fn what_doubles_with_every_line_is_refused_at_once() {
        let bomb = |levels: usize| {
            let mut query = "{ ...F0 }".to_string();
            for level in 0..levels {
                let next = level + 1;
                query += &format!(" fragment F{level} on Query {{ ...F{next} ...F{next} }}");
            }
            query + &format!(" fragment F{levels} on Query {{ __typename }}")
        };
        assert_eq!(selections(&bomb(5)), None);
        let began = Instant::now();
        for levels in [14, 30, 120] {
            assert_eq!(selections(&bomb(levels)), Some(2_000), "{levels}");
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        let cycle = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
        assert_eq!(selections(cycle), Some(2_000));
        let unused = format!("{{ __typename }} {}", &bomb(20)[10..]);
        assert_eq!(selections(&unused), Some(2_000));
        assert_eq!(selections(&"{ me { id } }".repeat(700)), Some(8_192));
        let many: String = (0..20).map(|n| format!("query Q{n} {{ __typename }} ")).collect();
        assert_eq!(selections(&many), Some(16));
        for fine in
            ["{ me { id } }", "{ ...A } fragment A on Query { me { id } }", "{ nonsense", ""]
        {
            assert_eq!(selections(fine), None, "{fine}");
        }
    }
}
