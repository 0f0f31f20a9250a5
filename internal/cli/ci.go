package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// ciTTL is longer than pipelines take, so that a run that was killed leaves nothing.
const ciTTL = 3 * time.Hour

// pipeline is a CI system that argon ci knows.
type pipeline struct {
	name, marker string   // the marker is a variable that it sets
	run          []string // variables that name a run
	usage        string
}

var pipelines = []pipeline{
	{"github", "GITHUB_ACTIONS", []string{"GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"},
		"env:\n  ARGON_URI: ${{ secrets.ARGON_URI }}\nsteps:\n  - run: argon ci -p %[1]s >> \"$GITHUB_ENV\"\n  - run: make test        # reads MONGODB_URI\n" +
			"  - if: always()\n    run: argon sandbox discard \"$ARGON_BRANCH\" -p %[1]s --yes\n"},
	{"gitlab", "GITLAB_CI", []string{"CI_PIPELINE_ID", "CI_JOB_ID"},
		"database:\n  stage: .pre\n  script: argon ci -p %[1]s > argon.env\n  artifacts: {reports: {dotenv: argon.env}}\n" +
			"test:\n  script: make test       # reads MONGODB_URI\ndiscard:\n  stage: .post\n  when: always\n  script: argon sandbox discard \"$ARGON_BRANCH\" -p %[1]s --yes\n"},
	{"shell", "", nil, "eval \"$(argon ci -p %[1]s)\"\nmake test                 # reads MONGODB_URI\nargon sandbox discard \"$ARGON_BRANCH\" -p %[1]s --yes\n"},
}

// here finds the pipeline that runs us.
func here() *pipeline {
	for i := range pipelines {
		if p := &pipelines[i]; p.marker == "" || os.Getenv(p.marker) != "" {
			return p
		}
	}
	return nil
}

func pipelineNamed(name string) *pipeline {
	for i := range pipelines {
		if pipelines[i].name == name {
			return &pipelines[i]
		}
	}
	return nil
}

// branchName is the same for every step of a run, and for no other run.
func (p *pipeline) branchName() string {
	parts := []string{"ci"}
	for _, v := range p.run {
		if s := os.Getenv(v); s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 1 {
		return "ci-" + random(4)
	}
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, strings.Join(parts, "-"))
	return name[:min(len(name), 63)]
}

// lines prints what the steps that follow read.
func (p *pipeline) lines(a *app, m *made) {
	for _, kv := range [][2]string{{"ARGON_PROJECT", m.Project}, {"ARGON_BRANCH", m.Branch}, {"ARGON_DATABASE", m.Database}, {"MONGODB_URI", m.URI}} {
		if p.marker == "" {
			fmt.Fprintf(a.Out, "export %s='%s'\n", kv[0], kv[1])
		} else {
			fmt.Fprintf(a.Out, "%s=%s\n", kv[0], kv[1])
		}
	}
	if p.name == "github" && m.Password != "" { // its log hides it from now on
		fmt.Fprintln(a.Err, "::add-mask::"+m.Password)
	}
}

func (a *app) ci() *cobra.Command {
	var t target
	var n newBranch
	var name, format string
	var example bool
	cmd := &cobra.Command{
		Use: "ci", Short: "Make a sandbox for a CI run and print the variables that its steps need", Args: exactly(0, "no arguments"),
		Long: "Make a sandbox for a CI run and print the variables that its steps need: MONGODB_URI, and\nARGON_PROJECT, ARGON_BRANCH and ARGON_DATABASE. The sandbox is named after the run, so that\na step that is run again gets the same one.",
		Example: "  argon ci -p shop >> \"$GITHUB_ENV\"\n  argon ci -p shop --format gitlab > argon.env\n  eval \"$(argon ci -p shop --mask users.email=fake)\"\n" +
			"  argon ci -p shop --format github --example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := here()
			if format != "" {
				if p = pipelineNamed(format); p == nil {
					return usage("--format is github, gitlab or shell, not %q", format)
				}
			}
			if t.project == "" {
				return usage("name the project with -p")
			}
			if example {
				fmt.Fprintf(a.Out, p.usage, t.project)
				return nil
			}
			point, err := t.point(cmd)
			if err != nil {
				return err
			}
			if name == "" {
				name = p.branchName()
			}
			n.ifNotExists = true
			m, err := a.makeSandbox(cmd.Context(), &t, &n, name, point)
			if err != nil {
				return err
			}
			if m.User == "" {
				fmt.Fprintln(a.Err, noUser)
			}
			if a.output != "table" {
				d, err := m.doc()
				if err != nil {
					return err
				}
				return a.document(bson.Raw(d))
			}
			p.lines(a, m)
			return nil
		},
	}
	t.projectFlag(cmd)
	t.pointFlags(cmd)
	n.flags(cmd, ciTTL)
	cmd.Flags().StringVar(&name, "name", "", "the branch's name (default: after the run)")
	cmd.Flags().StringVar(&format, "format", "", "github, gitlab or shell (default: where it runs)")
	cmd.Flags().BoolVar(&example, "example", false, "print what to write into the pipeline, and make nothing")
	return cmd
}
