//! What an account's apps keep here for each other: `app.bsky.actor.getPreferences` and `putPreferences`.

use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};

use super::Accounts;
use crate::clock::rfc3339_millis;
use crate::store::StoreError;

/// The namespace of the preferences that are kept.
const NAMESPACE: &str = "app.bsky";
/// Tells the account's birth date: for the account's own password only.
const PERSONAL_DETAILS: &str = "app.bsky.actor.defs#personalDetailsPref";
/// What follows from the birth date: computed, never kept.
const DECLARED_AGE: &str = "app.bsky.actor.defs#declaredAgePref";
/// The largest size of all of an account's preferences, as JSON text.
const MAX_BYTES: usize = 256 << 10;

/// Who asks for preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferenceAccess {
    /// Somebody logged in with the account's password, or the moderation service.
    Full,
    /// Somebody with an app password or an OAuth token: not for personal details.
    Limited,
}

/// Why preferences are not kept.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesError {
    /// One has no `$type`.
    #[error("Preference is missing a $type")]
    NoType,
    /// One is of another namespace.
    #[error("Some preferences are not in the {NAMESPACE} namespace")]
    Namespace,
    /// One is for those who know the account's password.
    #[error("Do not have authorization to set preferences: {PERSONAL_DETAILS}")]
    Forbidden,
    /// They are too large together.
    #[error("Preferences are too large ({MAX_BYTES} bytes at most)")]
    TooLarge,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// The preferences of an account that `access` may see, and what follows from them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn preferences(&self, account_id: i64, access: PreferenceAccess) -> Result<Vec<Value>, StoreError> {
        let mut preferences = read(&mut *self.0.store.read().await?, account_id).await?;
        preferences.extend(declared_age(&preferences, &self.today()));
        preferences.retain(|preference| access.covers(preference));
        Ok(preferences)
    }

    /// Replaces the preferences of an account that `access` may set.
    ///
    /// # Errors
    /// If one of them is refused; nothing is changed then.
    pub async fn put_preferences(
        &self,
        account_id: i64,
        access: PreferenceAccess,
        mut preferences: Vec<Value>,
    ) -> Result<(), PreferencesError> {
        check(&preferences, access)?;
        preferences.retain(|preference| type_of(preference) != Some(DECLARED_AGE));
        let change = self.0.store.change(move |tx| {
            Box::pin(async move {
                let mut all = read(tx.connection(), account_id).await?;
                all.retain(|preference| !access.covers(preference));
                all.extend(preferences);
                write(tx.connection(), account_id, all).await
            })
        });
        change.await
    }

    /// The date of today, `YYYY-MM-DD`.
    fn today(&self) -> String {
        rfc3339_millis(self.0.clock.now_micros()).chars().take(10).collect()
    }
}

impl PreferenceAccess {
    fn covers(self, preference: &Value) -> bool {
        self == PreferenceAccess::Full || type_of(preference) != Some(PERSONAL_DETAILS)
    }
}

fn check(preferences: &[Value], access: PreferenceAccess) -> Result<(), PreferencesError> {
    for preference in preferences {
        let name = type_of(preference).ok_or(PreferencesError::NoType)?;
        let rest = name.strip_prefix(NAMESPACE).ok_or(PreferencesError::Namespace)?;
        if !rest.is_empty() && !rest.starts_with('.') {
            return Err(PreferencesError::Namespace);
        }
    }
    if preferences.iter().all(|preference| access.covers(preference)) {
        Ok(())
    } else {
        Err(PreferencesError::Forbidden)
    }
}

fn type_of(preference: &Value) -> Option<&str> {
    preference.get("$type")?.as_str()
}

/// What may be told of an account's age, if its birth date is known.
fn declared_age(preferences: &[Value], today: &str) -> Option<Value> {
    let details = preferences
        .iter()
        .find(|preference| type_of(preference) == Some(PERSONAL_DETAILS));
    let birth_date = details?.get("birthDate")?.as_str().filter(|date| !date.is_empty())?;
    // A date that is none makes nobody old enough.
    let age = age(birth_date, today).unwrap_or(0);
    Some(json!({
        "$type": DECLARED_AGE,
        "isOverAge13": age >= 13,
        "isOverAge16": age >= 16,
        "isOverAge18": age >= 18,
    }))
}

/// Years between two dates that begin with `YYYY-MM-DD`.
fn age(birth_date: &str, today: &str) -> Option<i32> {
    let year = |date: &str| date.get(..4)?.parse::<i32>().ok();
    let day = |date: &str| date.get(5..10).map(str::to_owned);
    let had_birthday = day(today)? >= day(birth_date)?;
    Some(year(today)? - year(birth_date)? - i32::from(!had_birthday))
}

async fn read(connection: &mut SqliteConnection, account_id: i64) -> Result<Vec<Value>, StoreError> {
    let row = sqlx::query("SELECT value FROM preferences WHERE account_id = $1")
        .bind(account_id)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let text: &str = row.try_get(0)?;
    serde_json::from_str(text)
        .map_err(|error| StoreError::Damaged(format!("preferences of account {account_id}: {error}")))
}

async fn write(
    connection: &mut SqliteConnection,
    account_id: i64,
    preferences: Vec<Value>,
) -> Result<(), PreferencesError> {
    let text = Value::Array(preferences).to_string();
    if text.len() > MAX_BYTES {
        return Err(PreferencesError::TooLarge);
    }
    sqlx::query(
        "INSERT INTO preferences (account_id, value) VALUES ($1, $2) \
         ON CONFLICT (account_id) DO UPDATE SET value = excluded.value",
    )
    .bind(account_id)
    .bind(text)
    .execute(connection)
    .await
    .map_err(StoreError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_change_on_birthdays() {
        for (birth_date, today, expected) in [
            ("2000-05-17T00:00:00.000Z", "2026-05-16", Some(25)),
            ("2000-05-17T00:00:00.000Z", "2026-05-17", Some(26)),
            ("2008-02-29", "2026-02-28", Some(17)),
            ("2008-02-29", "2026-03-01", Some(18)),
            ("yesterday", "2026-03-01", None),
            ("", "2026-03-01", None),
        ] {
            assert_eq!(age(birth_date, today), expected, "{birth_date} {today}");
        }
    }

    #[test]
    fn a_declared_age_follows_from_a_birth_date() {
        let details = |date: &str| vec![json!({"$type": PERSONAL_DETAILS, "birthDate": date})];
        let over = |date: &str| {
            let declared = declared_age(&details(date), "2026-01-01")?;
            Some(["isOverAge13", "isOverAge16", "isOverAge18"].map(|name| declared[name] == true))
        };
        assert_eq!(over("2008-01-01"), Some([true, true, true]));
        assert_eq!(over("2008-01-02"), Some([true, true, false]));
        assert_eq!(over("2012-06-01"), Some([true, false, false]));
        assert_eq!(over("2020-06-01"), Some([false, false, false]));
        assert_eq!(over("not a date"), Some([false, false, false]));
        assert_eq!(over(""), None);
        assert_eq!(declared_age(&[], "2026-01-01"), None);
    }

    #[test]
    fn only_our_namespace_is_kept_and_details_are_for_the_owner() {
        let outcome = |name: &str, access| match check(&[json!({"$type": name})], access) {
            Ok(()) => "kept".to_owned(),
            Err(error) => error.to_string(),
        };
        let other = "Some preferences are not in the app.bsky namespace";
        assert_eq!(
            outcome("app.bsky.actor.defs#adultContentPref", PreferenceAccess::Limited),
            "kept"
        );
        assert_eq!(outcome("com.example.pref", PreferenceAccess::Full), other);
        assert_eq!(outcome("app.bskyx.pref", PreferenceAccess::Full), other);
        assert_eq!(outcome(PERSONAL_DETAILS, PreferenceAccess::Full), "kept");
        let forbidden = "Do not have authorization to set preferences: app.bsky.actor.defs#personalDetailsPref";
        assert_eq!(outcome(PERSONAL_DETAILS, PreferenceAccess::Limited), forbidden);
        assert!(matches!(
            check(&[json!({})], PreferenceAccess::Full),
            Err(PreferencesError::NoType)
        ));
    }
}
