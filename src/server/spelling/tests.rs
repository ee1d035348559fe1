use proptest::prelude::*;

use super::*;

const TYPES: [&str; 9] = [
    "date",
    "time",
    "time(3)",
    "datetime",
    "smalldatetime",
    "datetime2(3)",
    "datetimeoffset",
    "datetimeoffset(0)",
    "uniqueidentifier",
];

#[test]
fn every_spelling_of_a_value_becomes_one() {
    for (declared, texts, expected) in [
        ("date", &["2018-08-01", "2018-08-01 00:00:00", "2018-08-01T00:00:00.000Z"][..], "2018-08-01"),
        ("time(7)", &["10:00", "10:00:00", "10:00:00.0000000"], "10:00:00"),
        ("time(7)", &["10:00:00.5000000", "10:00:00.5"], "10:00:00.5"),
        ("DATETIME", &["2018-08-01T10:00:00.007", "2018-08-01 10:00:00.0070000"], "2018-08-01 10:00:00.007"),
        ("datetime2", &["2018-08-01", "2018-08-01T00:00Z", "2018-08-01 00:00:00"], "2018-08-01 00:00:00"),
        (
            "datetimeoffset",
            &[
                "2018-08-01 10:00:00 +00:00",
                "2018-08-01T10:00:00.0000000Z",
                "2018-08-01T10:00:00.0000000+00:00",
                "2018-08-01 10:00:00.000000000 -00:00",
                "2018-08-01T10:00",
                "2018-08-01t10:00:00z",
            ],
            "2018-08-01 10:00:00 +00:00",
        ),
        ("datetimeoffset(3)", &["2018-08-01T10:00:00.120-03:30"], "2018-08-01 10:00:00.12 -03:30"),
        (
            "uniqueidentifier",
            &["6D0D6E1C-0000-0000-0000-00000000000A", "{6d0d6e1c-0000-0000-0000-00000000000a}"],
            "6d0d6e1c-0000-0000-0000-00000000000a",
        ),
    ] {
        for text in texts {
            assert_eq!(canonical_text(declared, text).as_deref(), Some(expected), "{declared} {text}");
        }
    }
}

#[test]
fn what_is_no_value_has_no_other_form() {
    for (declared, text) in [
        ("date", "2018-8-1"),
        ("date", "2018-02-29"),
        ("date", "0000-01-01"),
        ("date", "2018-13-01"),
        ("date", "2018-08-01 10:00:00"),
        ("date", "1533117600"),
        ("datetime", "2018-08-01 24:00:00"),
        ("datetime", "2018-08-01 10:00:60"),
        ("datetime", "2018-08-01 10:00:00 +02:00"),
        ("datetime", "2018-08-01 10:00:00 "),
        ("datetime", "2018-08-01 10:00:00."),
        ("datetime", "Aug 1 2018 10:00AM"),
        ("datetime2", "2018-08-01 10:00:00.12345678"),
        ("datetimeoffset", "2018-08-01 10:00:00 +14:01"),
        ("datetimeoffset", "2018-08-01 10:00:00 +1:00"),
        ("datetimeoffset", "0001-01-01 00:00:00 +00:01"),
        ("datetimeoffset", "9999-12-31 23:59:59 -00:01"),
        ("datetimeoffset", "2018-08-01 10:00:00  +00:00"),
        ("datetimeoffset", "2018-08-0\u{661} 10:00:00"),
        ("time", "2018-08-01 10:00:00"),
        ("time", "10:00:00Z"),
        ("uniqueidentifier", "6d0d6e1c000000000000000000000001"),
        ("uniqueidentifier", "{6d0d6e1c-0000-0000-0000-00000000000a"),
        ("uniqueidentifier", "6d0d6e1c-0000-0000-0000-00000000000g"),
        ("nvarchar(50)", "2018-08-01T10:00:00Z"),
        ("timestamp", "2018-08-01T10:00:00Z"),
        ("datetime(3)", "2018-08-01T10:00:00Z"),
        ("datetime2(8)", "2018-08-01T10:00:00Z"),
        ("", "2018-08-01"),
    ] {
        assert_eq!(canonical_text(declared, text), None, "{declared} {text}");
    }
}

#[test]
fn days_are_counted_from_the_first() {
    for (text, days) in [
        ("0001-01-01", 0),
        ("0004-12-31", 4 * 365),
        ("1753-01-01", 639_905),
        ("1900-01-01", DAYS_TO_1900),
        ("1970-01-01", 719_162),
        ("2000-02-29", 730_178),
        ("2079-06-06", DAYS_TO_1900 + 65_535),
        ("9999-12-31", LAST_DAY),
    ] {
        assert_eq!(parse_time("date", text).map(|time| time.days), Some(days), "{text}");
    }
}

#[test]
fn a_type_keeps_what_it_can() {
    for (declared, text, keeps) in [
        ("datetime", "2018-08-01 10:00:00.007", true),
        ("datetime", "2018-08-01 23:59:59.997", true),
        ("datetime", "2018-08-01 10:00:00.001", false),
        ("datetime", "2018-08-01 23:59:59.999", false),
        ("datetime", "1752-12-31 00:00:00", false),
        ("datetime", "1753-01-01 00:00:00", true),
        ("smalldatetime", "2018-08-01 10:01:00", true),
        ("smalldatetime", "2018-08-01 10:00:01", false),
        ("smalldatetime", "1899-12-31 00:00:00", false),
        ("smalldatetime", "2079-06-06 23:59:00", true),
        ("smalldatetime", "2079-06-07 00:00:00", false),
        ("datetime2(3)", "2018-08-01 10:00:00.123", true),
        ("datetime2(3)", "2018-08-01 10:00:00.1234", false),
        ("datetimeoffset(0)", "2018-08-01 10:00:00.5 +02:00", false),
        ("datetimeoffset(0)", "2018-08-01 10:00:00 +02:00", true),
        ("time(7)", "23:59:59.9999999", true),
    ] {
        let time = parse_time(declared, text).unwrap();
        assert_eq!(Spelled::of(declared).unwrap().keeps(&time), keeps, "{declared} {text}");
    }
}

#[test]
fn thirds_of_a_hundredth_are_told_as_the_server_tells_them() {
    let told: Vec<u64> = (0..6).map(|count| ticks_of_300ths(count) / 10_000).collect();
    assert_eq!(told, [0, 3, 7, 10, 13, 17]);
    for count in (0..300 * 86_400).step_by(997) {
        assert_eq!(to_300ths(ticks_of_300ths(count)), count);
    }
}

proptest! {
    #[test]
    fn a_time_written_is_read_again(days in 1..LAST_DAY, ticks in 0..DAY, offset in -840i16..=840) {
        for declared in TYPES.into_iter().filter(|declared| *declared != "uniqueidentifier") {
            let spelled = Spelled::of(declared).unwrap();
            let time = match spelled {
                Spelled::Date => Parsed { days, ..Parsed::default() },
                Spelled::Time(_) => Parsed { ticks, ..Parsed::default() },
                Spelled::DateTimeOffset(_) => Parsed { days, ticks, offset },
                _ => Parsed { days, ticks, offset: 0 },
            };
            let text = spelled.format(&time);
            prop_assert_eq!(spelled.parse(&text), Some(time), "{} {}", declared, text);
            prop_assert_eq!(spelled.canonical(&text), Some(text));
            let (days, ticks) = time.utc().unwrap();
            prop_assert_eq!(Parsed::from_utc(days, ticks, time.offset), Some(time));
        }
    }

    #[test]
    fn what_has_one_form_keeps_it(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{0,9})?)?( ?[+-][01][0-9]:[0-5][0-9]|Z)?|\\PC{0,40}") {
        for declared in TYPES {
            if let Some(one) = canonical_text(declared, &text) {
                prop_assert_eq!(canonical_text(declared, &one), Some(one));
            }
        }
    }

    #[test]
    fn any_time_has_a_form(days: u32, ticks: u64, offset: i16) {
        for declared in TYPES {
            let spelled = Spelled::of(declared).unwrap();
            let time = Parsed { days, ticks, offset };
            let _ = (spelled.format(&time), spelled.keeps(&time), Parsed::from_utc(days, ticks, offset));
        }
    }
}
