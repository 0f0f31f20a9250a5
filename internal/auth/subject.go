package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// attributes are the short names of a subject's parts (RFC 4514 and OpenSSL's).
var attributes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.17": "postalCode", "2.5.4.42": "GN",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress",
}

// Subject returns a certificate's subject as MongoDB names its user: RFC 2253,
// the last part first.
func Subject(c *x509.Certificate) (string, error) {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &rdns); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("the certificate's subject cannot be read: %w", err)
	}
	var sb strings.Builder
	for i := len(rdns) - 1; i >= 0; i-- {
		for j, a := range rdns[i] {
			switch {
			case j > 0:
				sb.WriteByte('+')
			case sb.Len() > 0:
				sb.WriteByte(',')
			}
			name := a.Type.String()
			if short, ok := attributes[name]; ok {
				name = short
			}
			sb.WriteString(name + "=" + escape(fmt.Sprint(a.Value)))
		}
	}
	return sb.String(), nil
}

// escape escapes a value by RFC 2253.
func escape(s string) string {
	var sb strings.Builder
	for i, r := range s {
		if strings.ContainsRune(`,+"\<>;`, r) || r == '#' && i == 0 || r == ' ' && (i == 0 || i == len(s)-1) {
			sb.WriteByte('\\')
		}
		sb.WriteRune(r)
	}
	return sb.String()
}
