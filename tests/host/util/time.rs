//! Time as the record writes it.

use portcullis::util::time::Timestamp;

use crate::common::assert_rows;

#[test]
fn a_timestamp_is_written_as_rfc_3339_has_it() {
    let rows = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ];
    assert_rows(rows.map(|(milliseconds, text)| {
        let written = Timestamp(milliseconds).to_rfc3339();
        (text, written, text.to_owned())
    }));
}
