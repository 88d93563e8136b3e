//! Time zones by their IANA names, from a built-in database. Names are matched as they are written.

use super::super::super::limits::Fault;

/// A zone at some moment.
pub(super) struct Zone {
    /// Seconds to add to UTC.
    pub offset: i32,
    /// Its abbreviation at that moment, such as `CEST`.
    pub name: String,
}

/// The zone of that name as it is `seconds` after 1970, if there is one.
#[cfg(feature = "time-zones")]
pub(super) fn find(name: &str, seconds: i64) -> Result<Option<Zone>, Fault> {
    use std::sync::LazyLock;

    use jiff::Timestamp;
    use jiff::tz::TimeZoneDatabase;

    static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    let found = || {
        let zone = ZONES.get(name).ok().filter(|zone| zone.iana_name() == Some(name))?;
        let info = zone.to_offset_info(Timestamp::from_second(seconds).ok()?);
        Some(Zone { offset: info.offset().seconds(), name: info.abbreviation().to_owned() })
    };
    Ok(found())
}

/// UTC only: what Sprig would print in another zone is not known here, and UTC in its place would be wrong.
#[cfg(not(feature = "time-zones"))]
pub(super) fn find(name: &str, _: i64) -> Result<Option<Zone>, Fault> {
    match name {
        "" | "UTC" | "Local" => Ok(None),
        _ => Err(Fault(format!("time zone {name} is not known: helm-charts was built without its feature time-zones"))),
    }
}

#[cfg(all(test, not(feature = "time-zones")))]
mod tests {
    use super::*;

    #[test]
    fn a_zone_but_utc_ends_in_an_error_that_names_the_feature() {
        assert!(matches!(find("UTC", 0), Ok(None)));
        let error = find("Europe/Berlin", 0).err().unwrap();
        assert!(error.0.ends_with("without its feature time-zones"), "{error:?}");
    }
}
