package command

import (
	"bytes"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
)

var lsidSpec = idl.New("OperationSessionInfo.lsid",
	idl.Field{Name: "id", Types: idl.Binary, Required: true, Check: checkUUID},
	idl.Field{Name: "uid", Types: idl.Binary},
	idl.Field{Name: "txnNumber", Types: idl.Integer},
	idl.Field{Name: "txnUUID", Types: idl.Binary},
)

func checkUUID(v bsonx.Value) error {
	sub, data := bsonx.Bin(v)
	if sub != 4 {
		return errcode.New(errcode.TypeMismatch, "BSON field 'OperationSessionInfo.lsid.id' is the wrong binData type '%d', expected type 'UUID'", sub)
	}
	if len(data) != 16 {
		return errcode.New(errcode.InvalidUUID, "uuid must be a 16-byte binary field with UUID (4) subtype")
	}
	return nil
}

// parseLSID reads a session id document.
func parseLSID(doc bsonx.Doc, user string) (session.SessionID, error) {
	var a idl.Args
	if err := lsidSpec.Decode(doc, &a); err != nil {
		return session.SessionID{}, err
	}
	id := session.SessionID{User: user}
	_, data := bsonx.Bin(a.Get("id"))
	copy(id.UUID[:], data)
	return id, nil
}

// sessionID reads a session id document: a session of the command's user, or with
// the digest of another one's name ("uid") that user's, for who may end it.
func (rq *Request) sessionID(doc bsonx.Doc) (session.SessionID, error) {
	id, err := parseLSID(doc, rq.Conn.Info.User)
	if err != nil || !rq.Services.AuthRequired {
		return id, err
	}
	uid := bsonx.Lookup(doc, "uid")
	if uid.Type != bsonx.Binary {
		return id, nil
	}
	_, digest := bsonx.Bin(uid)
	if bytes.Equal(digest, userDigest(id.User)) {
		return id, nil
	}
	if !rq.may(auth.ClusterTarget(), auth.KillAnySession) || rq.Spec.Flags&OthersSessions == 0 {
		return id, errcode.New(errcode.Unauthorized, "Unauthorized to set user digest in LogicalSessionId")
	}
	for _, s := range rq.Services.Sessions.List() {
		if s.ID.UUID == id.UUID && bytes.Equal(digest, userDigest(s.ID.User)) {
			return s.ID, nil
		}
	}
	id.User = "" // of nobody
	return id, nil
}

// useSession finds the command's session and checks the fields that belong to
// transactions and retryable writes.
func (d *Dispatcher) useSession(rq *Request, g *idl.Generic) error {
	lsid, txn, auto, start := g.Get(idl.LSID), g.Get(idl.TxnNumber), g.Get(idl.Autocommit), g.Get(idl.StartTransaction)
	if lsid.Type == bsonx.Missing {
		if txn.Type != bsonx.Missing || auto.Type != bsonx.Missing || start.Type != bsonx.Missing {
			return errcode.New(errcode.InvalidOptions, "Transaction number, autocommit and startTransaction require a session ID to also be specified")
		}
		return nil
	}
	id, err := rq.sessionID(lsid.Data)
	if err != nil {
		return err
	}
	if rq.Session, err = d.services.Sessions.Use(id); err != nil {
		return err
	}
	return rq.useTxn(txn, auto, start)
}

func (rq *Request) useTxn(txn, auto, start bsonx.Value) error {
	if txn.Type == bsonx.Missing {
		if auto.Type != bsonx.Missing {
			return errcode.New(errcode.InvalidOptions, "'autocommit' field requires a transaction number to also be specified")
		}
		if start.Type != bsonx.Missing {
			return errcode.New(errcode.InvalidOptions, "'startTransaction' field requires a transaction number to also be specified")
		}
		return nil
	}
	rq.TxnNumber, _ = bsonx.IntegralOK(txn)
	if rq.TxnNumber < 0 {
		return errcode.New(errcode.InvalidOptions, "Transaction number cannot be negative")
	}
	if auto.Type == bsonx.Missing {
		if start.Type != bsonx.Missing {
			return errcode.New(errcode.InvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified")
		}
		if rq.Spec.Flags&Retryable == 0 {
			return errcode.New(50768, "txnNumber may only be provided for multi-document transactions and retryable write commands. autocommit:false was not provided, and %s is not a retryable write command.", rq.Name)
		}
		return nil
	}
	if bsonx.Truthy(auto) {
		return errcode.New(errcode.InvalidOptions, "autocommit:true is not supported: leave the field out for a write outside of a transaction")
	}
	if start.Type != bsonx.Missing && !bsonx.Truthy(start) {
		return errcode.New(errcode.InvalidOptions, "Specifying startTransaction=false is not allowed.")
	}
	if rq.Spec.Flags&TxnOK == 0 {
		return errcode.New(errcode.OperationNotSupportedInTransaction, "Cannot run '%s' in a multi-document transaction.", rq.Name)
	}
	rq.InTxn, rq.StartTxn = true, start.Type != bsonx.Missing
	return rq.checkTxnTarget()
}

// checkTxnTarget checks where a statement of a transaction may go, and what may
// be the first one.
func (rq *Request) checkTxnTarget() error {
	if rq.Spec.Flags&EndsTxn == 0 && (rq.DB == "config" || rq.DB == "local") {
		return errcode.New(errcode.OperationNotSupportedInTransaction, "Cannot run command against the '%s' database in a transaction.", rq.DB)
	}
	if v := rq.Args.At(0); v.Type == bsonx.String {
		if name := string(bsonx.Str(v)); name == "system.profile" || name == "system.views" {
			return errcode.New(errcode.OperationNotSupportedInTransaction, "Cannot run command against the '%s' collection in a transaction.", rq.NS(name))
		}
	}
	if rq.StartTxn && (rq.Spec.Flags&EndsTxn != 0 || rq.Name == "killCursors" || rq.Name == "getMore") {
		return errcode.New(errcode.OperationNotSupportedInTransaction, "Cannot run %s as the first operation in a multi-document transaction.", rq.Name)
	}
	return nil
}
