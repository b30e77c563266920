//! A query in SQL. What is asked for is always a value, never text of a statement.

use rusqlite::types::Value;

use crate::id_part::IdPart;
use crate::store::integer;

/// Conditions and their values, side by side.
pub(crate) struct Filter {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Filter {
    pub(crate) fn new(sql: String) -> Self {
        Self { sql, values: Vec::new() }
    }

    pub(crate) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql += " AND ";
        self.sql += condition;
        self.values.extend(values);
    }

    pub(crate) fn and_id(&mut self, column: &str, part: &IdPart) {
        match part {
            IdPart::Whole(id) => self.and(&format!("{column} = ?"), [id.to_vec().into()]),
            IdPart::Part(digits) => {
                let n = digits.len();
                let condition =
                    format!("(substr(hex({column}), 1, {n}) = ? OR substr(hex({column}), -{n}) = ?)");
                self.and(&condition, [digits.clone().into(), digits.clone().into()]);
            }
        }
    }
}

/// Which engine, on which machine.
pub(crate) fn place(engine: Option<u32>, host: &str) -> (String, Vec<Value>) {
    let mut filter = Filter::new(String::new());
    if let Some(engine) = engine {
        filter.and("engine = ?", [i64::from(engine).into()]);
    }
    if !host.is_empty() {
        filter.and("host = ?", [host.to_owned().into()]);
    }
    (filter.sql, filter.values)
}

/// Numbers of ours as SQLite has them.
pub(crate) trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for u64 {
    fn into_value(self) -> Value {
        integer(self).into()
    }
}
