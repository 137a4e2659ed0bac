// Looks at manifests and clusters the way Argo CD does, with Argo CD's own engine: for tests.
//
//	argo-check health HEALTH_LUA < object.yaml
//	argo-check sync   KUBECONFIG NAMESPACE APPLICATION MANIFEST…
//	argo-check drift  KUBECONFIG NAMESPACE APPLICATION MANIFEST…
//
// Results are lines of JSON on standard output.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

const usage = "usage: argo-check health HEALTH_LUA | sync|drift KUBECONFIG NAMESPACE APPLICATION MANIFEST…"

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == "health" {
		return judgeHealth(args[1], os.Stdin)
	}
	if len(args) < 5 {
		return fmt.Errorf(usage)
	}
	app, err := openApplication(args[1], args[2], args[3], args[4:])
	if err != nil {
		return err
	}
	switch args[0] {
	case "sync":
		return app.sync(ctx)
	case "drift":
		return app.drift(ctx)
	}
	return fmt.Errorf(usage)
}

func say(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
