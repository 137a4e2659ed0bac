package main

import (
	"context"
	"fmt"
	"os"
	"time"

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

// What is compared is read through a watch, and compared by a server that may know more already.
const (
	unsettledWait = time.Second
	attemptsMax   = 10
)

// drift says of each object whether Argo CD would show it as out of sync, compared by the API server
// and by Argo CD itself, and which objects it would prune.
func (app *application) drift(ctx context.Context) error {
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	operations, cleanup, err := kubectl.ManageServerSideDiffDryRuns(app.config)
	if err != nil {
		return err
	}
	defer cleanup()
	dryRunner := diff.NewK8sServerSideDryRunner(operations)
	live, err := app.cache.GetManagedLiveObjs(app.target, app.isManaged)
	if err != nil {
		return err
	}
	found := sync.Reconcile(app.target, live, app.namespace, app.cache)
	for i, target := range found.Target {
		there := found.Live[i]
		if target == nil {
			if err := say(map[string]any{"resource": name(there), "prune": true}); err != nil {
				return err
			}
			continue
		}
		if err := app.compare(ctx, target, there, dryRunner); err != nil {
			return err
		}
	}
	return nil
}

// compare says whether one object differs. A difference counts only where the object has not changed
// meanwhile: others, such as its controller, write to it too.
func (app *application) compare(
	ctx context.Context, target, live *unstructured.Unstructured, dryRunner diff.ServerSideDryRunner,
) error {
	for attempt := 1; ; attempt++ {
		byServer, err := diff.Diff(ctx, target, live, diff.WithLogr(logr.Discard()), diff.WithManager(manager),
			diff.WithServerSideDiff(true), diff.WithIgnoreMutationWebhook(false),
			diff.WithServerSideDryRunner(dryRunner))
		if err != nil {
			return err
		}
		byClient, err := diff.Diff(ctx, target, live, diff.WithLogr(logr.Discard()))
		if err != nil {
			return err
		}
		if (byServer.Modified || byClient.Modified) && live != nil && attempt < attemptsMax {
			time.Sleep(unsettledWait)
			objects, err := app.cache.GetManagedLiveObjs(app.target, app.isManaged)
			if err != nil {
				return err
			}
			newer := objects[kube.GetResourceKey(live)]
			if newer == nil || newer.GetResourceVersion() != live.GetResourceVersion() {
				live = newer
				continue
			}
		}
		said := map[string]any{
			"resource": name(target), "missing": live == nil,
			"byServer": byServer.Modified, "byClient": byClient.Modified,
		}
		if byServer.Modified {
			said["live"], said["predicted"] = string(byServer.NormalizedLive), string(byServer.PredictedLive)
		}
		return say(said)
	}
}

func name(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}
