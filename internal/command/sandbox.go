package command

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
)

// A sandbox is a branch with a lifetime and a user that may use only it. The user's
// customData has the branch's name as "sandbox": such a user ends with the branch,
// so that it may not use another one of that name later.

// dropSandboxUsers drops the users of sandboxes that are gone.
func (s *Services) dropSandboxUsers(ctx context.Context, project string, branches ...string) error {
	if s.Users == nil {
		return nil
	}
	gone := s.Users.Users(func(u *auth.User) bool {
		name, ok := bsonx.Lookup(u.CustomData, "sandbox").StringValueOK()
		return ok && u.Name.DB == project && slices.Contains(branches, name)
	})
	if len(gone) == 0 {
		return nil
	}
	return s.Users.Change(ctx, func(c *auth.Change) error {
		for _, u := range gone {
			if c.HasUser(u.Name) {
				if err := c.DropUser(u.Name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// DropExpiredBranches drops the branches whose time is over, with the users of
// sandboxes.
func (s *Services) DropExpiredBranches(ctx context.Context) error {
	gone, err := s.Branches.DropExpired(ctx)
	for project, names := range gone {
		if err := s.dropSandboxUsers(ctx, project, names...); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	_, err = s.Branches.Sweep(ctx)
	return err
}
