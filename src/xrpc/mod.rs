//! The XRPC methods: one method, one file, found by its NSID. Handlers parse, call the domain and answer; no SQL here.

mod app_bsky;
mod application;
mod auth;
mod caller;
mod com_atproto;
mod internal_pds;
mod invite_view;
pub(crate) mod limits;
mod mailed_code;
mod origin;
mod proxy;
mod record_json;
mod repo_error;

use crate::app::App;
use crate::server::Method;

pub use caller::Caller;

pub(crate) use application::router;
pub(crate) use auth::check_status;

/// A call of one of our methods.
pub(crate) type Call = crate::server::Call<Caller>;

/// All methods that this server answers itself.
static METHODS: &[Method<App>] = &[
    com_atproto::admin::delete_account::METHOD,
    com_atproto::admin::disable_account_invites::METHOD,
    com_atproto::admin::disable_invite_codes::METHOD,
    com_atproto::admin::enable_account_invites::METHOD,
    com_atproto::admin::get_account_info::METHOD,
    com_atproto::admin::get_account_infos::METHOD,
    com_atproto::admin::get_invite_codes::METHOD,
    com_atproto::admin::get_subject_status::METHOD,
    com_atproto::admin::search_accounts::METHOD,
    com_atproto::admin::send_email::METHOD,
    com_atproto::admin::update_account_email::METHOD,
    com_atproto::admin::update_account_handle::METHOD,
    com_atproto::admin::update_account_password::METHOD,
    com_atproto::admin::update_account_signing_key::METHOD,
    com_atproto::admin::update_subject_status::METHOD,
    app_bsky::actor::get_preferences::METHOD,
    app_bsky::actor::get_profile::METHOD,
    app_bsky::actor::get_profiles::METHOD,
    app_bsky::actor::put_preferences::METHOD,
    app_bsky::feed::get_actor_likes::METHOD,
    app_bsky::feed::get_author_feed::METHOD,
    app_bsky::feed::get_feed::METHOD,
    app_bsky::feed::get_post_thread::METHOD,
    app_bsky::feed::get_timeline::METHOD,
    app_bsky::notification::register_push::METHOD,
    app_bsky::notification::unregister_push::METHOD,
    com_atproto::identity::get_recommended_did_credentials::METHOD,
    com_atproto::identity::refresh_identity::METHOD,
    com_atproto::identity::request_plc_operation_signature::METHOD,
    com_atproto::identity::resolve_did::METHOD,
    com_atproto::identity::resolve_handle::METHOD,
    com_atproto::identity::resolve_identity::METHOD,
    com_atproto::identity::sign_plc_operation::METHOD,
    com_atproto::identity::submit_plc_operation::METHOD,
    com_atproto::identity::update_handle::METHOD,
    com_atproto::moderation::create_report::METHOD,
    com_atproto::repo::apply_writes::METHOD,
    com_atproto::repo::create_record::METHOD,
    com_atproto::repo::delete_record::METHOD,
    com_atproto::repo::describe_repo::METHOD,
    com_atproto::repo::get_record::METHOD,
    com_atproto::repo::import_repo::METHOD,
    com_atproto::repo::list_missing_blobs::METHOD,
    com_atproto::repo::list_records::METHOD,
    com_atproto::repo::put_record::METHOD,
    com_atproto::repo::upload_blob::METHOD,
    com_atproto::server::activate_account::METHOD,
    com_atproto::server::check_account_status::METHOD,
    com_atproto::server::confirm_email::METHOD,
    com_atproto::server::create_account::METHOD,
    com_atproto::server::create_app_password::METHOD,
    com_atproto::server::create_invite_code::METHOD,
    com_atproto::server::create_invite_codes::METHOD,
    com_atproto::server::create_session::METHOD,
    com_atproto::server::deactivate_account::METHOD,
    com_atproto::server::delete_account::METHOD,
    com_atproto::server::delete_session::METHOD,
    com_atproto::server::describe_server::METHOD,
    com_atproto::server::get_account_invite_codes::METHOD,
    com_atproto::server::get_service_auth::METHOD,
    com_atproto::server::get_session::METHOD,
    com_atproto::server::list_app_passwords::METHOD,
    com_atproto::server::refresh_session::METHOD,
    com_atproto::server::request_account_delete::METHOD,
    com_atproto::server::request_email_confirmation::METHOD,
    com_atproto::server::request_email_update::METHOD,
    com_atproto::server::request_password_reset::METHOD,
    com_atproto::server::reserve_signing_key::METHOD,
    com_atproto::server::reset_password::METHOD,
    com_atproto::server::revoke_app_password::METHOD,
    com_atproto::server::update_email::METHOD,
    com_atproto::sync::get_blob::METHOD,
    com_atproto::sync::get_blocks::METHOD,
    com_atproto::sync::get_checkout::METHOD,
    com_atproto::sync::get_head::METHOD,
    com_atproto::sync::get_latest_commit::METHOD,
    com_atproto::sync::get_record::METHOD,
    com_atproto::sync::get_repo::METHOD,
    com_atproto::sync::get_repo_status::METHOD,
    com_atproto::sync::list_blobs::METHOD,
    com_atproto::sync::list_repos::METHOD,
    com_atproto::sync::list_repos_by_collection::METHOD,
    com_atproto::sync::subscribe_repos::METHOD,
    com_atproto::temp::add_reserved_handle::METHOD,
    com_atproto::temp::check_handle_availability::METHOD,
    com_atproto::temp::check_signup_queue::METHOD,
    com_atproto::temp::revoke_account_credentials::METHOD,
    internal_pds::admin::clear_email_factor::METHOD,
    internal_pds::admin::get_account::METHOD,
    internal_pds::admin::get_storage::METHOD,
    internal_pds::admin::issue_code::METHOD,
    internal_pds::admin::resync_accounts::METHOD,
];
