// Manifests as a JSON list on standard input; one line for each that its schema refuses. An unknown kind is refused too.
const packages = {
  "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

let text = "";
for await (const part of process.stdin) text += part;

for (const manifest of JSON.parse(text)) {
  try {
    const models = await import(`${packages[manifest.apiVersion]}/${manifest.kind}`);
    new models[manifest.kind](manifest).validate();
  } catch (error) {
    console.log(`${manifest.kind} ${manifest.metadata.name}: ${error.message}`);
  }
}
