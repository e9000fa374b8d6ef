package clients

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	comatproto "github.com/bluesky-social/indigo/api/atproto"
	"github.com/bluesky-social/indigo/atproto/atclient"
)

const recoveryKey = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"

func TestGoatPdsAdminCreatesListsAndShowsAccounts(t *testing.T) {
	key := recoveryKey
	who := create(t, newPerson(setting(t, "PDS_URL")), &key)
	client := admin(t, who.host)

	// account list
	var listed []*comatproto.SyncListRepos_Repo
	for cursor := ""; ; {
		page := must(comatproto.SyncListRepos(t.Context(), client, cursor, 500))(t)
		listed = append(listed, page.Repos...)
		if page.Cursor == nil || *page.Cursor == "" {
			break
		}
		cursor = *page.Cursor
	}
	at := slices.IndexFunc(listed, func(repo *comatproto.SyncListRepos_Repo) bool { return repo.Did == who.did })
	if at < 0 || listed[at].Active == nil || !*listed[at].Active || listed[at].Rev == "" {
		t.Fatalf("%s is not listed as active", who.did)
	}

	// account info
	info := must(comatproto.AdminGetAccountInfo(t.Context(), client, who.did))(t)
	equal(t, info.Handle, who.handle)
	equal(t, *info.Email, who.email)

	// account update --email --handle
	changed := newPerson(who.host)
	succeed(t, comatproto.AdminUpdateAccountEmail(t.Context(), client, &comatproto.AdminUpdateAccountEmail_Input{Account: who.did, Email: changed.email}))
	succeed(t, comatproto.AdminUpdateAccountHandle(t.Context(), client, &comatproto.AdminUpdateAccountHandle_Input{Did: who.did, Handle: changed.handle}))
	info = must(comatproto.AdminGetAccountInfo(t.Context(), client, who.did))(t)
	equal(t, info.Handle, changed.handle)
	equal(t, *info.Email, changed.email)
}

func TestGoatPdsAdminResetsSuspendsAndDeletes(t *testing.T) {
	who := create(t, newPerson(setting(t, "PDS_URL")), nil)
	client := admin(t, who.host)
	admits := func(want bool) {
		t.Helper()
		_, err := logIn(t.Context(), who, who.handle)
		var refused *atclient.APIError
		if (err == nil) != want || (err != nil && !errors.As(err, &refused)) {
			t.Fatalf("logged in: %v, want %v", err, want)
		}
	}

	// account reset-password
	admits(true)
	old := who
	who.password = rand.Text()
	succeed(t, comatproto.AdminUpdateAccountPassword(t.Context(), client, &comatproto.AdminUpdateAccountPassword_Input{Did: who.did, Password: who.password}))
	admits(true)
	_, err := logIn(t.Context(), old, who.handle)
	var refused *atclient.APIError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the old password: %v", err)
	}

	// account takedown, and --reverse
	for _, applied := range []bool{true, false} {
		subject := &comatproto.AdminUpdateSubjectStatus_Input_Subject{
			AdminDefs_RepoRef: &comatproto.AdminDefs_RepoRef{LexiconTypeID: "com.atproto.admin.defs#repoRef", Did: who.did},
		}
		judge(t, client, subject, applied)
		admits(!applied)
	}

	// account delete
	succeed(t, comatproto.AdminDeleteAccount(t.Context(), client, &comatproto.AdminDeleteAccount_Input{Did: who.did}))
	admits(false)
}

func TestGoatPdsAdminJudgesBlobs(t *testing.T) {
	who := create(t, newPerson(setting(t, "PDS_URL")), nil)
	client := admin(t, who.host)
	cid := postPicture(t, must(logIn(t.Context(), who, who.did))(t), 1)
	for _, applied := range []bool{true, false} {
		subject := &comatproto.AdminUpdateSubjectStatus_Input_Subject{
			AdminDefs_RepoBlobRef: &comatproto.AdminDefs_RepoBlobRef{LexiconTypeID: "com.atproto.admin.defs#repoBlobRef", Did: who.did, Cid: cid},
		}
		judge(t, client, subject, applied)
		status := must(comatproto.AdminGetSubjectStatus(t.Context(), client, cid, who.did, ""))(t)
		equal(t, status.Subject.AdminDefs_RepoBlobRef.Cid, cid)
		equal(t, status.Takedown.Applied, applied)
		_, err := comatproto.SyncGetBlob(t.Context(), atclient.NewAPIClient(who.host), cid, who.did)
		equal(t, err != nil, applied)
	}
}

func TestGoatPdsAdminCreatesInvites(t *testing.T) {
	client := admin(t, setting(t, "PDS_URL"))
	for range 2 {
		invite := must(comatproto.ServerCreateInviteCode(t.Context(), client, &comatproto.ServerCreateInviteCode_Input{UseCount: 3}))(t)
		if len(strings.Split(invite.Code, "-")) < 2 {
			t.Fatalf("the code is %q", invite.Code)
		}
	}
}

func judge(t *testing.T, client *atclient.APIClient, subject *comatproto.AdminUpdateSubjectStatus_Input_Subject, applied bool) {
	t.Helper()
	takedown := &comatproto.AdminDefs_StatusAttr{Applied: applied}
	answer := must(comatproto.AdminUpdateSubjectStatus(t.Context(), client, &comatproto.AdminUpdateSubjectStatus_Input{Subject: subject, Takedown: takedown}))(t)
	equal(t, answer.Takedown.Applied, applied)
}
