// Package rest is the HTTP side of a server: health, readiness and metrics.
package rest

import (
	"io"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/argon-db/argon/internal/command"
)

// NewHandler returns the handler of all HTTP paths; those under /debug/pprof
// only when profile is set.
func NewHandler(s *command.Services, profile bool) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newMetrics(s))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.Quiescing() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	if profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// metrics reads the server's counters when asked for.
type metrics struct {
	s    *command.Services
	rows []metric
}

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*command.Services) float64
}

func newMetrics(s *command.Services) *metrics {
	st := s.Stats
	m := &metrics{s: s}
	count := func(name, help string, labels prometheus.Labels, v interface{ Load() int64 }) {
		m.add(prometheus.CounterValue, name, help, labels, func(*command.Services) float64 { return float64(v.Load()) })
	}
	const ops = "Operations by kind, as serverStatus.opcounters."
	count("argon_operations_total", ops, prometheus.Labels{"kind": "insert"}, &st.Inserts)
	count("argon_operations_total", ops, prometheus.Labels{"kind": "query"}, &st.Queries)
	count("argon_operations_total", ops, prometheus.Labels{"kind": "update"}, &st.Updates)
	count("argon_operations_total", ops, prometheus.Labels{"kind": "delete"}, &st.Deletes)
	count("argon_operations_total", ops, prometheus.Labels{"kind": "getmore"}, &st.GetMores)
	count("argon_operations_total", ops, prometheus.Labels{"kind": "command"}, &st.Commands)
	count("argon_requests_total", "Messages that were received.", nil, &st.Requests)
	count("argon_received_bytes_total", "Bytes of the messages that were received.", nil, &st.BytesIn)
	count("argon_sent_bytes_total", "Bytes of the replies that were sent.", nil, &st.BytesOut)
	count("argon_connections_total", "Connections that were accepted or refused.", nil, &st.TotalConnections)
	count("argon_connections_refused_total", "Connections that were refused.", nil, &st.RejectedConnections)
	count("argon_errors_total", "Commands that failed.", nil, &st.UserAsserts)
	m.add(prometheus.GaugeValue, "argon_connections", "Connections that are open.", nil, func(s *command.Services) float64 { return float64(s.Stats.Connections.Load()) })
	m.add(prometheus.GaugeValue, "argon_sessions", "Logical sessions.", nil, func(s *command.Services) float64 { return float64(s.Sessions.Len()) })
	m.add(prometheus.GaugeValue, "argon_cursors", "Open cursors.", nil, func(s *command.Services) float64 { return float64(s.Cursors.Len()) })
	return m
}

func (m *metrics) add(kind prometheus.ValueType, name, help string, labels prometheus.Labels, read func(*command.Services) float64) {
	m.rows = append(m.rows, metric{prometheus.NewDesc(name, help, nil, labels), kind, read})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, r := range m.rows {
		ch <- r.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, r := range m.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.read(m.s))
	}
}
