package policy

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// Package errtext has no reflection: what it is given must be of the types that it knows, as many as there are verbs.
func TestErrtextIsGivenWhatItKnows(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=mod")
	build.Default.Dir = root
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "source", nil)
	calls := 0
	for _, folder := range []string{"memfs", "opfs"} {
		pkg, err := build.ImportDir(filepath.Join(root, folder), 0)
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, name := range pkg.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(root, folder, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		if _, err := (&types.Config{Importer: imports}).Check(module+folder, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || call.Ellipsis != token.NoPos {
					return true
				}
				at := formatOf(call, info)
				if at < 0 {
					return true
				}
				calls++
				format := strings.ReplaceAll(info.Types[call.Args[at]].Value.String(), "%%", "")
				args := call.Args[at+1:]
				if verbs := strings.Count(format, "%"); verbs != len(args) {
					t.Errorf("%s: %d verbs for %d arguments", fset.Position(call.Pos()), verbs, len(args))
				}
				for _, arg := range args {
					if typ := info.Types[arg].Type; !known(typ) {
						t.Errorf("%s: errtext does not know %s", fset.Position(arg.Pos()), typ)
					}
				}
				return true
			})
		}
	}
	if calls < 30 {
		t.Errorf("only %d calls found: this test looks in the wrong place", calls)
	}
}

// formatOf is the place of a constant format among the arguments of what ends in format and args ...any, -1 for other calls.
func formatOf(call *ast.CallExpr, info *types.Info) int {
	sig, ok := info.Types[call.Fun].Type.(*types.Signature)
	if !ok || !sig.Variadic() || sig.Params().Len() < 2 || sig.Params().At(sig.Params().Len()-1).Name() != "args" {
		return -1
	}
	at := sig.Params().Len() - 2
	if sig.Params().At(at).Name() != "format" || info.Types[call.Args[at]].Value == nil {
		return -1
	}
	return at
}

func known(t types.Type) bool {
	switch t := types.Default(t).(type) {
	case *types.Basic:
		switch t.Kind() {
		case types.String, types.Int, types.Int32, types.Int64, types.Uint32, types.Uint64:
			return true
		}
	case *types.Slice:
		return types.Identical(t, types.NewSlice(types.Typ[types.Byte]))
	}
	set := types.NewMethodSet(t)
	return set.Lookup(nil, "Error") != nil || set.Lookup(nil, "String") != nil
}
