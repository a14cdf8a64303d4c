package hsmcm

import (
	"context"
	"strings"

	"openped/internal/cmdline"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// roleFields begins a request that is about a role.
func roleFields(o *options) (hsmapi.Fields, error) {
	f := slotFields(o)
	if o.role == "" {
		return f, nil
	}
	r, ok := protocol.ParseRole(strings.ToLower(o.role))
	if !ok || r == protocol.RoleDomain || r == protocol.RoleRPV {
		return nil, &cmdline.UsageError{Msg: "unknown role " + printable(o.role), Hint: "the HSM's security officer is so"}
	}
	return f.AddU8(hsmapi.TagRole, uint8(r)), nil
}

func roleLogin(ctx context.Context, s *session, o *options) error {
	f, err := roleFields(o)
	if err != nil {
		return err
	}
	if _, err := s.do(ctx, hsmapi.Login, f, nil); err != nil {
		return err
	}
	if s.oneShot {
		s.printf("The login ends with this command: start hsmcm without a command for a login that lasts.\n")
	}
	s.printf(resultOK)
	return nil
}

func roleLogout(ctx context.Context, s *session, o *options) error {
	f, err := roleFields(o)
	if err != nil {
		return err
	}
	if _, err := s.do(ctx, hsmapi.Logout, f, nil); err != nil {
		return err
	}
	s.printf(resultOK)
	return nil
}

func roleChangePIN(ctx context.Context, s *session, o *options) error {
	f, err := roleFields(o)
	if err != nil {
		return err
	}
	if _, err := s.do(ctx, hsmapi.ChangePIN, f, nil); err != nil {
		return err
	}
	s.printf(resultOK)
	return nil
}
