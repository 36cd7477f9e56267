// The go command's own packages as a second implementation: reads JSON objects, one a line, and answers each with one.
package main

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path"
	"strconv"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
)

type question struct {
	Op   string
	A, B string
	Data []byte
}

type requirement struct {
	Path, Version string
	Indirect      bool
}

type pair struct{ Path, Version, NewPath, NewVersion string }

type retraction struct{ Low, High, Rationale string }

type answer struct {
	Error     string        `json:",omitempty"`
	Text      string        `json:",omitempty"`
	OK        bool          `json:",omitempty"`
	Number    int           `json:",omitempty"`
	GoVersion string        `json:",omitempty"`
	Go        string        `json:",omitempty"`
	Require   []requirement `json:",omitempty"`
	Exclude   []requirement `json:",omitempty"`
	Replace   []pair        `json:",omitempty"`
	Retract   []retraction  `json:",omitempty"`
	Use       []string      `json:",omitempty"`
}

func ask(q question) (a answer) {
	fail := func(err error) answer { return answer{Error: err.Error()} }
	// Older versions of debug/elf and its kin do not survive all damaged files.
	defer func() {
		if e := recover(); e != nil {
			a = answer{Error: "panic"}
		}
	}()
	switch q.Op {
	case "mod", "mod-lax":
		parse := modfile.Parse
		if q.Op == "mod-lax" {
			parse = modfile.ParseLax
		}
		f, err := parse("go.mod", []byte(q.A), nil)
		if err != nil {
			return fail(err)
		}
		if f.Module != nil {
			a.Text, a.GoVersion = f.Module.Mod.Path, f.Module.Deprecated
		}
		if f.Go != nil {
			a.Go = f.Go.Version
		}
		for _, r := range f.Require {
			a.Require = append(a.Require, requirement{r.Mod.Path, r.Mod.Version, r.Indirect})
		}
		for _, r := range f.Exclude {
			a.Exclude = append(a.Exclude, requirement{r.Mod.Path, r.Mod.Version, false})
		}
		a.Replace = pairs(f.Replace)
		for _, r := range f.Retract {
			a.Retract = append(a.Retract, retraction{r.Low, r.High, r.Rationale})
		}
	case "work":
		f, err := modfile.ParseWork("go.work", []byte(q.A), nil)
		if err != nil {
			return fail(err)
		}
		if f.Go != nil {
			a.Go = f.Go.Version
		}
		for _, u := range f.Use {
			a.Use = append(a.Use, u.Path)
		}
		a.Replace = pairs(f.Replace)
	case "unquote":
		s, err := strconv.Unquote(q.A)
		if err != nil {
			return fail(err)
		}
		a.Text, a.OK = s, true
	case "quote":
		a.Text = strconv.Quote(q.A)
	case "match":
		a.OK, _ = path.Match(q.A, q.B)
	case "prefix":
		a.OK = module.MatchPrefixPatterns(q.A, q.B)
	case "canonical":
		a.Text = module.CanonicalVersion(q.A)
	case "compare":
		a.Number = semver.Compare(q.A, q.B)
	case "binary":
		info, err := buildinfo.Read(bytes.NewReader(q.Data))
		if err != nil {
			return fail(err)
		}
		a.GoVersion = info.GoVersion
		info.GoVersion = ""
		a.Text = info.String()
	case "hash-zip", "hash-folder":
		var h string
		var err error
		if q.Op == "hash-zip" {
			h, err = dirhash.HashZip(q.A, dirhash.Hash1)
		} else {
			h, err = dirhash.HashDir(q.A, q.B, dirhash.Hash1)
		}
		if err != nil {
			return fail(err)
		}
		a.Text = h
	}
	return a
}

func pairs(list []*modfile.Replace) (out []pair) {
	for _, r := range list {
		out = append(out, pair{r.Old.Path, r.Old.Version, r.New.Path, r.New.Version})
	}
	return out
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		var q question
		if err := decoder.Decode(&q); err != nil {
			break
		}
		encoder.Encode(ask(q))
	}
	out.Flush()
}
