import { Card, CardActionArea, LinearProgress } from "@mui/material";
import React from "react";

/** A card of a list that something is chosen from. */
export function Choice({
  name,
  detail,
  error,
  progress,
  disabled = false,
  onClick,
  ...data
}: {
  name: React.ReactNode;
  detail: string;
  error?: string | null;
  /** the finished part, null where it is not known; undefined where nothing is going on */
  progress?: number | null;
  disabled?: boolean;
  onClick: () => void;
  "data-cy"?: string;
  "data-state"?: string;
}) {
  return (
    <Card className="lv-choice" variant="outlined">
      <CardActionArea {...data} disabled={disabled} onClick={onClick}>
        <span>{name}</span>
        <small>{detail}</small>
        {progress !== undefined && (
          <LinearProgress
            {...(progress === null
              ? {}
              : { variant: "determinate" as const, value: 100 * progress })}
          />
        )}
        {error && <small className="lv-problem">{error}</small>}
      </CardActionArea>
    </Card>
  );
}
