package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// luaHealth runs a health script in the interpreter that Argo CD has, with the object as `obj`.
type luaHealth struct{ script string }

func (check luaHealth) GetResourceHealth(object *unstructured.Unstructured) (*health.HealthStatus, error) {
	// Argo CD offers scripts no more than this.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	libraries := map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	}
	for name, open := range libraries {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(check.script); err != nil {
		return nil, err
	}
	table, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return nil, fmt.Errorf("the script returned no table")
	}
	return &health.HealthStatus{
		Status:  health.HealthStatusCode(lua.LVAsString(table.RawGetString("status"))),
		Message: lua.LVAsString(table.RawGetString("message")),
	}, nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch it := value.(type) {
	case bool:
		return lua.LBool(it)
	case string:
		return lua.LString(it)
	case float64:
		return lua.LNumber(it)
	case int64:
		return lua.LNumber(it)
	case []any:
		list := state.CreateTable(len(it), 0)
		for _, each := range it {
			list.Append(toLua(state, each))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(it))
		for key, each := range it {
			table.RawSetString(key, toLua(state, each))
		}
		return table
	}
	return lua.LNil
}

func judgeHealth(file string, input io.Reader) error {
	script, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return err
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &object.Object); err != nil {
		return err
	}
	found, err := health.GetResourceHealth(object, luaHealth{string(script)})
	if err != nil {
		return err
	}
	return say(found)
}
