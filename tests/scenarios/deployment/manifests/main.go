// Renders kustomizations, and reads each object strictly as the type of Kubernetes that it names.
// Arguments are folders; prints the kind and the name of each object. Exit status 1: one is not valid.
package main

import (
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	status := 0
	for _, folder := range os.Args[1:] {
		if err := check(folder); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", folder, err)
			status = 1
		}
	}
	os.Exit(status)
}

func check(folder string) error {
	decoder, err := strictDecoder()
	if err != nil {
		return err
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return err
	}
	for _, resource := range rendered.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return err
		}
		if _, _, err := decoder.Decode(text, nil, nil); err != nil {
			return fmt.Errorf("%s %s: %w", resource.GetKind(), resource.GetName(), err)
		}
		fmt.Println(resource.GetKind(), resource.GetName())
	}
	return nil
}

// strictDecoder refuses fields that a type does not have, fields that are there twice, and unknown types.
func strictDecoder() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(), nil
}
