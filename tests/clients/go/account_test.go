package clients

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/bluesky-social/indigo/api/agnostic"
	comatproto "github.com/bluesky-social/indigo/api/atproto"
	"github.com/bluesky-social/indigo/atproto/atclient"
	"github.com/bluesky-social/indigo/atproto/syntax"
)

// Of a listing's page of 100, so that a move takes more than one.
const pictures = 105

// postPicture uploads as goat does, which says `Content-Type: */*`, and refers to the blob in a record.
func postPicture(t *testing.T, client *atclient.APIClient, number int) string {
	t.Helper()
	uploaded := must(comatproto.RepoUploadBlob(t.Context(), client, bytes.NewReader([]byte{'p', 'i', 'c', byte(number)})))(t)
	record := map[string]any{"$type": "com.example.picture", "picture": uploaded.Blob}
	input := agnostic.RepoCreateRecord_Input{Repo: client.AccountDID.String(), Collection: "com.example.picture", Record: record}
	_ = must(agnostic.RepoCreateRecord(t.Context(), client, &input))(t)
	return uploaded.Blob.Ref.String()
}

func TestGoatAccountLogsInAndLooksAfterItself(t *testing.T) {
	who := create(t, newPerson(setting(t, "PDS_URL")), nil)
	client := must(logIn(t.Context(), who, who.handle))(t)
	equal(t, client.AccountDID.String(), who.did)

	// The library refreshes by itself.
	session := client.Auth.(*atclient.PasswordAuth)
	_, before := session.GetTokens()
	succeed(t, session.Refresh(t.Context(), client.Client, ""))
	_, after := session.GetTokens()
	if before == after {
		t.Fatal("the refresh token was not exchanged")
	}

	// account check-auth, missing-blobs, update-handle, service-auth
	status := must(comatproto.ServerCheckAccountStatus(t.Context(), client))(t)
	equal(t, status.Activated && status.ValidDid, true)
	missing := must(comatproto.RepoListMissingBlobs(t.Context(), client, "", 500))(t)
	equal(t, len(missing.Blobs), 0)
	handle := newPerson(who.host).handle
	succeed(t, comatproto.IdentityUpdateHandle(t.Context(), client, &comatproto.IdentityUpdateHandle_Input{Handle: handle}))
	equal(t, must(comatproto.AdminGetAccountInfo(t.Context(), admin(t, who.host), who.did))(t).Handle, handle)
	token := must(comatproto.ServerGetServiceAuth(t.Context(), client, "did:web:example.com", time.Now().Unix()+60, ""))(t)
	equal(t, len(token.Token) > 0, true)

	// account deactivate, status, activate
	for _, active := range []bool{false, true} {
		if active {
			succeed(t, comatproto.ServerActivateAccount(t.Context(), client))
		} else {
			succeed(t, comatproto.ServerDeactivateAccount(t.Context(), client, &comatproto.ServerDeactivateAccount_Input{}))
		}
		equal(t, must(comatproto.SyncGetRepoStatus(t.Context(), atclient.NewAPIClient(who.host), who.did))(t).Active, active)
	}
}

func TestGoatAccountMigratesFromTheReference(t *testing.T) {
	migrate(t, setting(t, "REFERENCE_URL"), setting(t, "PDS_URL"))
}

func TestGoatAccountMigratesToTheReference(t *testing.T) {
	migrate(t, setting(t, "PDS_URL"), setting(t, "REFERENCE_URL"))
}

// migrate is `goat account plc request-token` and `goat account migrate`.
func migrate(t *testing.T, from, to string) {
	who := create(t, newPerson(from), nil)
	old := must(logIn(t.Context(), who, who.did))(t)
	for number := range pictures {
		_ = postPicture(t, old, number)
	}
	succeed(t, comatproto.IdentityRequestPlcOperationSignature(t.Context(), old))
	code := mailedCode(t, who.email)

	there := newPerson(to)
	there.did = who.did
	client := arrive(t, old, there)
	equal(t, bringData(t, old, client), pictures)
	status := must(comatproto.ServerCheckAccountStatus(t.Context(), client))(t)
	equal(t, [3]int64{status.ExpectedBlobs, status.ImportedBlobs, status.IndexedRecords}, [3]int64{pictures, pictures, pictures})
	pointDid(t, old, client, code)
	succeed(t, comatproto.ServerActivateAccount(t.Context(), client))
	succeed(t, comatproto.ServerDeactivateAccount(t.Context(), old, &comatproto.ServerDeactivateAccount_Input{}))

	status = must(comatproto.ServerCheckAccountStatus(t.Context(), client))(t)
	equal(t, status.Activated && status.ValidDid, true)
	_ = postPicture(t, client, pictures)
	left := must(comatproto.SyncGetRepoStatus(t.Context(), atclient.NewAPIClient(from), who.did))(t)
	equal(t, left.Active, false)
}

// arrive creates the account on the new host with the old one's token, and logs in.
func arrive(t *testing.T, old *atclient.APIClient, there person) *atclient.APIClient {
	t.Helper()
	client := atclient.NewAPIClient(there.host)
	host := must(comatproto.ServerDescribeServer(t.Context(), client))(t)
	token := must(comatproto.ServerGetServiceAuth(t.Context(), old, host.Did, time.Now().Unix()+60, "com.atproto.server.createAccount"))(t)
	invite := must(comatproto.ServerCreateInviteCode(t.Context(), admin(t, there.host), &comatproto.ServerCreateInviteCode_Input{UseCount: 1}))(t)
	input := comatproto.ServerCreateAccount_Input{
		Did: &there.did, Handle: there.handle, Password: &there.password, InviteCode: &invite.Code, Email: &there.email,
	}
	did := syntax.DID(there.did)
	client.AccountDID = &did
	client.Auth = &atclient.PasswordAuth{Session: atclient.PasswordSessionData{AccountDID: did, AccessToken: token.Token}}
	created := must(comatproto.ServerCreateAccount(t.Context(), client, &input))(t)
	equal(t, created.Did, there.did)
	// goat logs in with the new account's token beside the password.
	client.Auth = &atclient.PasswordAuth{
		Session: atclient.PasswordSessionData{AccountDID: did, AccessToken: created.AccessJwt, RefreshToken: created.RefreshJwt},
	}
	login := comatproto.ServerCreateSession_Input{Identifier: there.did, Password: there.password}
	session := must(comatproto.ServerCreateSession(t.Context(), client, &login))(t)
	client.Auth = &atclient.PasswordAuth{
		Session: atclient.PasswordSessionData{AccountDID: did, AccessToken: session.AccessJwt, RefreshToken: session.RefreshJwt},
	}
	return client
}

// bringData brings the repo, the preferences and, page by page, the blobs along. Returns how many blobs there were.
func bringData(t *testing.T, old, client *atclient.APIClient) int {
	t.Helper()
	did := client.AccountDID.String()
	repo := must(comatproto.SyncGetRepo(t.Context(), old, did, ""))(t)
	succeed(t, comatproto.RepoImportRepo(t.Context(), client, bytes.NewReader(repo)))
	preferences := must(agnostic.ActorGetPreferences(t.Context(), old))(t)
	succeed(t, agnostic.ActorPutPreferences(t.Context(), client, &agnostic.ActorPutPreferences_Input{Preferences: preferences.Preferences}))
	blobs := 0
	for cursor := ""; ; {
		page := must(comatproto.SyncListBlobs(t.Context(), old, cursor, did, 100, ""))(t)
		for _, cid := range page.Cids {
			blob := must(comatproto.SyncGetBlob(t.Context(), old, cid, did))(t)
			_ = must(comatproto.RepoUploadBlob(t.Context(), client, bytes.NewReader(blob)))(t)
			blobs++
		}
		if page.Cursor == nil || *page.Cursor == "" {
			return blobs
		}
		cursor = *page.Cursor
	}
}

// pointDid has the old host sign what the new one recommends.
func pointDid(t *testing.T, old, client *atclient.APIClient, code string) {
	t.Helper()
	recommended := must(agnostic.IdentityGetRecommendedDidCredentials(t.Context(), client))(t)
	var operation agnostic.IdentitySignPlcOperation_Input
	succeed(t, json.Unmarshal(*recommended, &operation))
	operation.Token = &code
	signed := must(agnostic.IdentitySignPlcOperation(t.Context(), old, &operation))(t)
	input := agnostic.IdentitySubmitPlcOperation_Input{Operation: signed.Operation}
	succeed(t, agnostic.IdentitySubmitPlcOperation(t.Context(), client, &input))
}
