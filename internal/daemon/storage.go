package daemon

import (
	"context"
	"fmt"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/change"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// openStorage opens what the commands read and write.
func (s *Server) openStorage() error {
	st, err := store.Open(store.Options{Dir: s.o.Dir, FS: s.o.FS, Clock: s.o.Clock, Logger: s.log, OnFatal: s.fatal})
	if err != nil {
		return fmt.Errorf("cannot open the data in %s: %w", s.o.Dir, err)
	}
	s.closers = append(s.closers, st.Close)
	sv := s.services
	sv.Txns = txn.NewManager(st, txn.Config{})
	sv.Catalog = catalog.New(st)
	if sv.Branches, err = branch.Open(st, sv.Txns, sv.Catalog, s.o.Clock); err != nil {
		return err
	}
	if sv.Users, err = auth.Open(context.Background(), st); err != nil {
		return fmt.Errorf("cannot read the users in %s: %w", s.o.Dir, err)
	}
	sv.Changes = change.New(sv.Txns, sv.Catalog, sv.Branches)
	sv.UseStorage()
	return nil
}

// fatal ends the server when the store can no longer be written to: a restart
// recovers every acknowledged commit.
func (s *Server) fatal(err error) {
	s.log.Error("the store has failed", "error", err)
	select {
	case s.failed <- fmt.Errorf("the store has failed: %w", err):
	default:
	}
}
