//! Small things both halves use: numbers from a seed, values of columns.

pub use rusqlite::types::Value as Sql;

/// A small deterministic source of numbers (SplitMix64).
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x0c70_b005)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// A GUID that belongs to a text.
pub fn guid(text: &str) -> String {
    let seed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut rng = Rng::new(seed);
    let (a, b) = (rng.next(), rng.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// A value of a column.
pub trait Column {
    fn sql(self) -> Sql;
}

impl Column for &str {
    fn sql(self) -> Sql {
        Sql::Text(self.to_owned())
    }
}

impl Column for String {
    fn sql(self) -> Sql {
        Sql::Text(self)
    }
}

impl Column for i64 {
    fn sql(self) -> Sql {
        Sql::Integer(self)
    }
}

impl Column for bool {
    fn sql(self) -> Sql {
        Sql::Integer(i64::from(self))
    }
}

impl<T: Column> Column for Option<T> {
    fn sql(self) -> Sql {
        self.map_or(Sql::Null, Column::sql)
    }
}

impl Column for Sql {
    fn sql(self) -> Sql {
        self
    }
}

/// The columns of a row: `row!["Name" => "Web", "IsDisabled" => false]`.
macro_rules! row {
    ($($name:literal => $value:expr),* $(,)?) => {
        vec![$(($name, $crate::support::everything::rows::Column::sql($value))),*]
    };
}
pub(crate) use row;
