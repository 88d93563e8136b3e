{{/* Labels that every object carries. */}}
{{- define "vcluster.labels" -}}
app: vcluster
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | quote }}
release: {{ .Release.Name | quote }}
heritage: {{ .Release.Service | quote }}
{{- end -}}

{{/* Metadata from a dict: root, name, labels, annotations, and clusterScoped for objects without a namespace. */}}
{{- define "vcluster.metadata" -}}
metadata:
  name: {{ .name | quote }}
  {{- if not .clusterScoped }}
  namespace: {{ .root.Release.Namespace | quote }}
  {{- end }}
  labels:
    {{- include "vcluster.labels" .root | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge dict (default dict .annotations) .root.Values.controlPlane.advanced.globalMetadata.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "vcluster.serviceAccount" -}}
{{ .Values.controlPlane.advanced.serviceAccount.name | default (printf "vc-%s" .Release.Name) }}
{{- end -}}

{{- define "vcluster.clusterRole" -}}
vc-{{ .Release.Name }}-v-{{ .Release.Namespace }}
{{- end -}}

{{/* An image from a dict: root, image (registry, repository), tag. */}}
{{- define "vcluster.image" -}}
{{- $registry := .root.Values.controlPlane.advanced.defaultImageRegistry | default .image.registry -}}
{{- if $registry -}}{{ $registry }}/{{- end -}}{{ .image.repository }}:{{ .tag }}
{{- end -}}

{{/* Whether there is a volume: "true", or empty. */}}
{{- define "vcluster.persistent" -}}
{{- if ne (toString .Values.controlPlane.statefulSet.persistence.volumeClaim.enabled) "false" -}}true{{- end -}}
{{- end -}}

{{/* Whether a ClusterRole is needed: "true", or empty. */}}
{{- define "vcluster.clusterScoped" -}}
{{- $role := .Values.rbac.clusterRole -}}
{{- if eq (toString $role.enabled) "true" -}}
true
{{- else if eq (toString $role.enabled) "auto" -}}
{{- if or $role.overwriteRules $role.extraRules .Values.sync.fromHost.nodes.enabled .Values.controlPlane.advanced.virtualScheduler.enabled (eq (toString .Values.sync.fromHost.storageClasses.enabled) "true") -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether a policy of two applies, from a list of its and the other's "enabled": auto follows the other. */}}
{{- define "vcluster.policy" -}}
{{- $own := toString (index . 0) -}}
{{- if or (eq $own "true") (and (ne $own "false") (eq (toString (index . 1)) "true")) -}}true{{- end -}}
{{- end -}}
