package main

import (
	"context"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// By which Argo CD knows what is an application's, if it tracks by label: the harder case.
	trackingLabel = "app.kubernetes.io/instance"
	manager       = "argocd-controller"
)

type application struct {
	config    *rest.Config
	namespace string
	name      string
	cache     cache.ClusterCache
	target    []*unstructured.Unstructured
}

func openApplication(kubeconfig, namespace, name string, files []string) (*application, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	app := &application{config: config, namespace: namespace, name: name}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := kube.SplitYAML(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, object := range objects {
			labels := object.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels[trackingLabel] = name
			object.SetLabels(labels)
			if object.GetNamespace() == "" {
				object.SetNamespace(namespace)
			}
		}
		app.target = append(app.target, objects...)
	}
	app.cache = cache.NewClusterCache(config,
		cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(object *unstructured.Unstructured, _ bool) (any, bool) {
			owner := object.GetLabels()[trackingLabel]
			return owner, owner != ""
		}))
	return app, app.cache.EnsureSynced()
}

func (app *application) isManaged(resource *cache.Resource) bool {
	owner, _ := resource.Info.(string)
	return owner == app.name
}

// sync brings the cluster to what the manifests say, and prunes what they do not name.
func (app *application) sync(ctx context.Context) error {
	results, err := engine.NewEngine(app.config, app.cache, engine.WithLogr(logr.Discard())).Sync(
		ctx, app.target, app.isManaged, "test", app.namespace,
		sync.WithPrune(true), sync.WithServerSideApply(true), sync.WithServerSideApplyManager(manager))
	if err != nil {
		return err
	}
	for _, result := range results {
		if err := say(map[string]any{
			"resource": result.ResourceKey.String(), "status": result.Status, "message": result.Message,
		}); err != nil {
			return err
		}
	}
	return nil
}

// drift says of each object whether Argo CD would show it as out of sync, compared by the API server
// and by Argo CD itself, and which objects it would prune.
func (app *application) drift(ctx context.Context) error {
	live, err := app.cache.GetManagedLiveObjs(app.target, app.isManaged)
	if err != nil {
		return err
	}
	found := sync.Reconcile(app.target, live, app.namespace, app.cache)
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	operations, cleanup, err := kubectl.ManageServerSideDiffDryRuns(app.config)
	if err != nil {
		return err
	}
	defer cleanup()
	for i, target := range found.Target {
		there := found.Live[i]
		if target == nil {
			if err := say(map[string]any{"resource": name(there), "prune": true}); err != nil {
				return err
			}
			continue
		}
		byServer, err := diff.Diff(ctx, target, there, diff.WithLogr(logr.Discard()), diff.WithManager(manager),
			diff.WithServerSideDiff(true), diff.WithIgnoreMutationWebhook(false),
			diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(operations)))
		if err != nil {
			return err
		}
		byClient, err := diff.Diff(ctx, target, there, diff.WithLogr(logr.Discard()))
		if err != nil {
			return err
		}
		if err := say(map[string]any{
			"resource": name(target), "missing": there == nil,
			"byServer": byServer.Modified, "byClient": byClient.Modified,
		}); err != nil {
			return err
		}
	}
	return nil
}

func name(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}
