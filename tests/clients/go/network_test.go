// Package clients has the steps of `goat`, the command line tool of AT Protocol, made by the library that goat is a thin layer over: the
// same functions, in the same order, with the same values.
package clients

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	comatproto "github.com/bluesky-social/indigo/api/atproto"
	"github.com/bluesky-social/indigo/atproto/atclient"
)

// person is an account that a test made: where it is hosted and how it logs in there.
type person struct {
	host, did, handle, email, password string
}

// setting reads what run.sh tells; a test without it does not run.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Skipf("NOT RUN: %s is not set", name)
	}
	return value
}

// must ends the test where a call failed.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		succeed(t, err)
		return value
	}
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// admin is the client of `goat pds admin`.
func admin(t *testing.T, host string) *atclient.APIClient {
	t.Helper()
	return atclient.NewAdminClient(host, setting(t, "PDS_ADMIN_PASSWORD"))
}

// newPerson has a handle, an address and a password that nobody has yet.
func newPerson(host string) person {
	label := "goat" + strings.ToLower(rand.Text()[:10])
	return person{host: host, handle: label + ".test", email: label + "@mail.test", password: rand.Text()}
}

// create is `goat pds admin account create`: a fresh invite code, then an account without a session.
func create(t *testing.T, who person, recoveryKey *string) person {
	t.Helper()
	invite := must(comatproto.ServerCreateInviteCode(t.Context(), admin(t, who.host), &comatproto.ServerCreateInviteCode_Input{UseCount: 1}))(t)
	input := comatproto.ServerCreateAccount_Input{
		Handle: who.handle, Email: &who.email, Password: &who.password, InviteCode: &invite.Code, RecoveryKey: recoveryKey,
	}
	created := must(comatproto.ServerCreateAccount(t.Context(), atclient.NewAPIClient(who.host), &input))(t)
	equal(t, created.Handle, who.handle)
	who.did = created.Did
	return who
}

// logIn is `goat account login --pds-host`.
func logIn(ctx context.Context, who person, identifier string) (*atclient.APIClient, error) {
	return atclient.LoginWithPasswordHost(ctx, who.host, identifier, who.password, "", nil)
}

// mailedCode waits for the code in a mail to an address.
func mailedCode(t *testing.T, address string) string {
	t.Helper()
	for range 200 {
		answer := must(http.Get(setting(t, "MAIL_URL") + "/mails?to=" + url.QueryEscape(address)))(t)
		var mails []struct{ Token string }
		succeed(t, json.NewDecoder(answer.Body).Decode(&mails))
		succeed(t, answer.Body.Close())
		for _, mail := range mails {
			if mail.Token != "" {
				return mail.Token
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no mail to %s", address)
	return ""
}
