#!/usr/bin/env bash
# Brings a fleet into a Kubernetes cluster (deploy/kubernetes), and waits until it is there. It can be run again: what is
# as it should be stays.
# Before use: the overlay's image and hosts, and its secrets (deploy/kubernetes/make-secrets.sh).
#
#   name             default                         what
#   OVERLAY          deploy/kubernetes/overlays/prod the folder that is applied
#   NAMESPACE        the overlay's (loadhost)        where to
#   MASTER_REPLICAS  the overlay's (3)               masters
#   WORKER_REPLICAS  the overlay's (10)              workers at least: the autoscaler's minReplicas; KEDA's stand in the overlay
#   WORKER_LIMIT     the overlay's (100)             workers at most: its maxReplicas
#   IMAGE            the overlay's                   image of masters and workers, without its tag
#   IMAGE_TAG        the overlay's                   its tag
#   TIMEOUT          300s                            for each of brokers, masters and workers to be ready
#   DRY_RUN          none                            with any value: print what would be applied, and change nothing
#   KUBECTL          kubectl                         1.27 or newer; KUBECONFIG and its context say which cluster
#
# Exit codes: 1 if something is not applied or not ready in time, 2 if something is missing here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
overlay=${OVERLAY:-$here/../kubernetes/overlays/prod}
timeout=${TIMEOUT:-300s}
kubectl=${KUBECTL:-kubectl}

say() { printf '%s\n' "$*" >&2; }
missing() { say "error: $1"; say "hint: $2"; exit 2; }

command -v "$kubectl" >/dev/null || missing "$kubectl is not installed" "install kubectl 1.27 or newer, or name it in KUBECTL"
[ -f "$overlay/kustomization.yaml" ] || missing "$overlay is no overlay" "name one in OVERLAY, such as deploy/kubernetes/overlays/dev"
if [ ! -d "$overlay/secrets" ]; then
    missing "$overlay has no secrets" "run deploy/kubernetes/make-secrets.sh $overlay first"
fi
overlay=$(cd "$overlay" && pwd)
for wish in MASTER_REPLICAS WORKER_REPLICAS WORKER_LIMIT; do
    [[ ${!wish:-1} =~ ^[1-9][0-9]{0,4}$ ]] || missing "$wish is \`${!wish}\`" "give a whole number from 1 on"
done
[[ $timeout =~ ^([0-9]{1,6}(s|m|h))+$ ]] || missing "TIMEOUT is \`$timeout\`" "give a length of time such as 300s or 5m"
[[ ${NAMESPACE:-loadhost} =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] ||
    missing "NAMESPACE is \`$NAMESPACE\`" "give small letters, digits and dashes, 63 at most, such as \`loadhost\`"

# What differs from the overlay, on top of it; kustomize knows folders by their way from each other.
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
{
    echo "apiVersion: kustomize.config.k8s.io/v1beta1"
    echo "kind: Kustomization"
    echo "resources:"
    echo "  - $(realpath --relative-to="$(cd "$top" && pwd -P)" "$(cd "$overlay" && pwd -P)")"
    if [ -n "${NAMESPACE:-}" ]; then echo "namespace: $NAMESPACE"; fi
    if [ -n "${MASTER_REPLICAS:-}" ]; then
        printf 'replicas:\n  - name: loadhost-master\n    count: %s\n' "$MASTER_REPLICAS"
    fi
    if [ -n "${WORKER_REPLICAS:-}${WORKER_LIMIT:-}" ]; then
        printf 'patches:\n  - target: {kind: HorizontalPodAutoscaler, name: loadhost-worker}\n    patch: |-\n'
        if [ -n "${WORKER_REPLICAS:-}" ]; then
            echo "      - {op: replace, path: /spec/minReplicas, value: $WORKER_REPLICAS}"
        fi
        if [ -n "${WORKER_LIMIT:-}" ]; then
            echo "      - {op: replace, path: /spec/maxReplicas, value: $WORKER_LIMIT}"
        fi
    fi
} >"$top/kustomization.yaml"
rendered=$top/rendered
"$kubectl" kustomize "$top" >"$rendered" || missing "$overlay cannot be rendered" "see kubectl's words above; it has to be 1.27 or newer"
if [ -n "${IMAGE:-}${IMAGE_TAG:-}" ]; then
    # The overlay has given the image its name already: it is taken from there, or replaced.
    named=$(sed -n 's/^ *image: *\(.*loadhost\):\([^:]*\)$/\1 \2/p' "$rendered" | sort -u)
    if [ -z "$named" ] || [ "$(wc -l <<<"$named")" -ne 1 ]; then
        missing "the overlay has not one image of loadhost but these: $named" "name one in the overlay"
    fi
    read -r image tag <<<"$named"
    printf 'images:\n  - name: %s\n    newName: %s\n    newTag: "%s"\n' \
        "$image" "${IMAGE:-$image}" "${IMAGE_TAG:-$tag}" >>"$top/kustomization.yaml"
    rm "$rendered"
    "$kubectl" kustomize "$top" >"$rendered"
fi

# Wishes that a cluster would take, and that cannot work.
figure() { sed -n "s/^ *$1: *\"\{0,1\}\([0-9]*\)\"\{0,1\}\$/\1/p" "$rendered" | head -n 1; }
least=$(figure minReplicas) most=$(figure maxReplicas) expected=$(figure LOADHOST_EXPECT_WORKERS)
masters=$(grep -o 'loadhost-master-[0-9]*\.toml' "$rendered" | sort -u | wc -l)
if grep -q '^kind: ScaledObject$' "$rendered"; then
    least=$(figure minReplicaCount) most=$(figure maxReplicaCount)
    if [ -n "${WORKER_REPLICAS:-}${WORKER_LIMIT:-}" ]; then
        missing "WORKER_REPLICAS and WORKER_LIMIT do not reach KEDA's ScaledObject of $overlay" \
            "set minReplicaCount and maxReplicaCount in the overlay"
    fi
    counted=$(sed -n 's/^ *query:.*namespace="\([^"]*\)".*/\1/p' "$rendered" | head -n 1)
    if [ -n "${NAMESPACE:-}" ] && [ -n "$counted" ] && [ "$NAMESPACE" != "$counted" ]; then
        missing "KEDA's ScaledObject of $overlay counts the users of namespace $counted, not of NAMESPACE $NAMESPACE" \
            "set the namespace in its query in the overlay, too"
    fi
fi
if [ -n "$least" ] && [ -n "$most" ] && [ "$least" -gt "$most" ]; then
    missing "WORKER_REPLICAS $least is above WORKER_LIMIT $most" "raise WORKER_LIMIT (KEDA: maxReplicaCount) too"
fi
if [ -n "$least" ] && [ -n "$expected" ] && [ "$least" -lt "$expected" ]; then
    missing "runs expect $expected workers (LOADHOST_EXPECT_WORKERS), and only $least are always there" \
        "raise WORKER_REPLICAS (KEDA: minReplicaCount) to $expected, or lower LOADHOST_EXPECT_WORKERS in the overlay's settings"
fi
if [ "${MASTER_REPLICAS:-0}" -gt "$masters" ]; then
    missing "MASTER_REPLICAS $MASTER_REPLICAS is more than the $masters masters that the overlay has settings for" \
        "add a loadhost-master-N.toml for each to its settings"
fi

if [ -n "${DRY_RUN:-}" ]; then
    cat "$rendered"
    exit
fi

namespace=${NAMESPACE:-$(sed -n 's/^  namespace: *//p' "$rendered" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')}
say "deploying to namespace $namespace of context $("$kubectl" config current-context 2>/dev/null || echo '(in the cluster)')"
"$kubectl" apply -k "$top" >&2

# Masters wait for brokers by themselves, and workers for masters; so does this.
for what in statefulset/loadhost-nats statefulset/loadhost-master deployment/loadhost-worker; do
    say "waiting for $what"
    if ! "$kubectl" rollout status "$what" --namespace "$namespace" --timeout "$timeout" >&2; then
        say "error: $what is not ready after $timeout"
        "$kubectl" get pods --namespace "$namespace" >&2 || true
        say "hint: $kubectl describe pods --namespace $namespace, and the logs of those that are not ready"
        exit 1
    fi
done
"$kubectl" get all,ingress --namespace "$namespace"
say "the fleet is ready"
